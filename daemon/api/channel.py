"""Teaches waitress four things: forms that stream to disk, files read ahead, early refusals, and errors in JSON.

Parsers and channels live in the one thread of all sockets, where nothing may wait.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, BinaryIO

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask, WSGITask

from daemon.api.ahead import FileAhead
from daemon.api.disk_threads import DiskThreads
from daemon.api.gate import MAX_BODY, Gate
from daemon.api.pipe import FormPipe
from daemon.api.replies import problem_body
from daemon.errors import RequestError

FORM_KEY = "seedvr2.form"
# A client that sends without asking reads the answer only after its body: this much of it is read and dropped.
DRAIN_BYTES = 64 << 20


class _Refusal:
    """An error as waitress keeps it with a request."""

    def __init__(self, error: RequestError) -> None:
        self.request_error = error


class _Sink:
    """Takes the place of a buffer and keeps nothing."""

    def __init__(self) -> None:
        self._length = 0

    def append(self, data: bytes) -> None:
        self._length += len(data)

    def __len__(self) -> int:
        return self._length

    def close(self) -> None:
        """There is nothing to close."""


class StreamingParser(HTTPRequestParser):  # type: ignore[misc] # waitress has no types
    """Asks the gate when the headers are complete and sends a form's body on its way."""

    completed: bool
    expect_continue: bool
    # Of a request that is no valid HTTP, too.
    path = ""

    def __init__(self, adj: Any, gate: Gate, writers: DiskThreads, wake: Callable[[], None]) -> None:
        super().__init__(adj)
        self._gate = gate
        self._writers = writers
        self._wake = wake
        self._refusal: RequestError | None = None
        self.form: FormPipe | None = None

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        headers = {name.lower().replace("_", "-"): value for name, value in self.headers.items()}
        length = None if self.chunked else self.content_length
        try:
            form = self._gate.admit(self.command.upper(), self.path, headers, length, self.version)
        except RequestError as error:
            self._refusal = error
        else:
            if form is not None and self.body_rcv is not None:
                self.form = self.body_rcv.buf = FormPipe(form, self._writers, self._wake)

    def received(self, data: bytes) -> int:
        consumed = int(super().received(data))
        if self.headers_finished and self.error is None:
            self._watch_body()
        return consumed

    def _watch_body(self) -> None:
        if self.form is not None and self.form.error is not None:
            self._refusal = self.form.error
        elif self.form is None and self.body_bytes_received > MAX_BODY and self._refusal is None:
            self._refusal = RequestError(413, f"The body is too large: this takes up to {MAX_BODY >> 10} KiB.")
        if self._refusal is None:
            return
        if self.body_rcv is not None and self.form is None and not isinstance(self.body_rcv.buf, _Sink):
            self.body_rcv.buf.close()
            self.body_rcv.buf = _Sink()
        left = self.content_length - self.body_bytes_received
        if self.completed or self.expect_continue or max(left, self.body_bytes_received) > DRAIN_BYTES:
            self.error = _Refusal(self._refusal)
            self.expect_continue = False
            self.completed = True


class StreamingTask(WSGITask):  # type: ignore[misc]
    """Hands the received form to the application, and takes files from it."""

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[FORM_KEY] = self.request.form
        environ["wsgi.file_wrapper"] = self._ahead
        return environ

    def _ahead(self, file: BinaryIO, *_block_size: int) -> FileAhead:
        return FileAhead(file, self.channel.readers, self.channel.server.pull_trigger)


class JsonErrorTask(ErrorTask):  # type: ignore[misc]
    """Answers what never reached the application."""

    def execute(self) -> None:
        error = self.request.error
        if isinstance(error, _Refusal):
            refused = error.request_error
        else:
            refused = RequestError(int(error.code), f"The request is not valid HTTP: {error.body}.")
        body = json.dumps(problem_body(refused)).encode("ascii")
        self.status = f"{refused.status} {'Refused' if isinstance(error, _Refusal) else error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.response_headers.extend(refused.headers.items())
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


def channel_class(gate: Gate, writers: DiskThreads, file_readers: DiskThreads) -> type[Any]:
    """A channel for waitress whose requests pass through `gate`; others write its forms and read its files."""

    class StreamingChannel(HTTPChannel):  # type: ignore[misc]
        readers = file_readers
        task_class = StreamingTask
        error_task_class = JsonErrorTask

        def parser_class(self, adj: Any) -> StreamingParser:
            return StreamingParser(adj, gate, writers, self.server.pull_trigger)

        @property
        def idle(self) -> bool:
            """Whether nobody would miss it: nothing is asked, answered or sent."""
            asking = self.request is not None and self.request.headers_finished
            return not (asking or self.requests or self.total_outbufs_len or self.will_close)

        def readable(self) -> bool:
            form = self.request.form if self.request is not None else None
            return bool(super().readable()) and not (form is not None and form.full)

        def writable(self) -> bool:
            first = self.outbufs[0]
            waits = isinstance(first, FileAhead) and not first.ready and not self.will_close
            return bool(super().writable()) and not waits

        def handle_close(self) -> None:
            super().handle_close()
            # Waitress forgets a request that never became complete; its file must go.
            if self.request is not None:
                self.request.close()

    return StreamingChannel
