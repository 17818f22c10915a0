"""The way of an upload's bytes from the thread of the sockets to the threads that write.

A disk may take its time, a network share that is gone takes forever: only writers wait for it.
"""

from __future__ import annotations

import io
import logging
import threading
from collections import deque
from collections.abc import Callable

from daemon.api.disk_threads import DiskThreads
from daemon.api.form import FormReceiver
from daemon.api.replies import UNEXPECTED
from daemon.api.surroundings import RETRY
from daemon.errors import RequestError

log = logging.getLogger(__name__)
# What an upload, and all of them, may have waiting before no more is read from their connections.
MAX_WAITING = 1 << 20
MAX_WAITING_OF_ALL = 64 << 20
# A request gives up on a disk that has taken nothing for so long.
STALL_S = 60.0


class FormPipe:
    """Takes the place of waitress's buffer: `append` never waits; a writer passes the pieces on, in their order.

    Args:
        wake: called by a writer when something changed that the thread of the sockets may wait for.
    """

    def __init__(self, form: FormReceiver, writers: DiskThreads, wake: Callable[[], None]) -> None:
        self._form = form
        self._writers = writers
        self._wake = wake
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._received = 0
        # Whether a writer has it or will; never two of them.
        self._busy = False
        self._closed = False

    @property
    def error(self) -> RequestError | None:
        """What is wrong with the form, as far as it has been read; nothing of it is left on the disk then."""
        return self._form.error

    @property
    def full(self) -> bool:
        """Whether to wait before reading more of the body."""
        return self._waiting >= MAX_WAITING or self._writers.held >= MAX_WAITING_OF_ALL

    def append(self, data: bytes) -> None:
        """Take the next piece of the body."""
        self._received += len(data)
        with self._changed:
            if self._closed or self._form.error is not None:
                return
            self._pieces.append(data)
            self._count(len(data))
            begin, self._busy = not self._busy, True
        if begin:
            self._writers.submit(self._pass_on)

    def finish(self) -> FormReceiver:
        """The body is complete: wait until all of it is written.

        Raises:
            RequestError: something is wrong with the form, or the disk takes nothing any more.
        """
        with self._changed:
            while self._busy:
                # Each piece that has been passed on is told.
                if not self._changed.wait(STALL_S):
                    raise RequestError(503, "The disk of the server does not answer. Try again later.", headers=RETRY)
        self._form.finish()
        return self._form

    def end(self) -> None:
        """The request has been dealt with: what nobody claimed is gone when this returns, if the disk lets it."""
        with self._changed:
            self._closed = True
            if self._busy:
                return
        self._form.close()

    def close(self) -> None:
        """The connection is done with the request, in whatever way. Never waits."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            begin, self._busy = not self._busy, True
        if begin:
            self._writers.submit(self._pass_on)

    def getfile(self) -> io.BytesIO:
        """Nothing is left to read."""
        return io.BytesIO()

    def __len__(self) -> int:
        return self._received

    def __bool__(self) -> bool:
        return True

    # -- in the thread of a writer ------------------------------------------------------------------------

    def _pass_on(self) -> None:
        with self._changed:
            piece = None if self._closed or not self._pieces else self._pieces.popleft()
        try:
            if piece is None:
                self._form.close()
            else:
                self._form.append(piece)
        except Exception:
            # The boundary of the thread: the next upload must find it alive.
            log.exception("unexpected error while a form was received")
            self._form.fail(RequestError(500, UNEXPECTED))
        with self._changed:
            self._count(-len(piece or b""))
            if self._closed or self._form.error is not None:
                self._count(-sum(map(len, self._pieces)))
                self._pieces.clear()
            again = self._busy = bool(self._pieces) or (self._closed and piece is not None)
            self._changed.notify_all()
        self._wake()
        if again:
            self._writers.submit(self._pass_on)

    def _count(self, size: int) -> None:
        self._waiting += size
        self._writers.hold(size)
