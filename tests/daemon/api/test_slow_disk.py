"""A disk that takes nothing for a while: only those who need it wait, and nothing of what they sent is lost."""

from __future__ import annotations

import errno
import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from daemon.api import ahead, disk_threads, download, pipe, room
from daemon.api import form as form_module
from tests.daemon.api.raw import exchange, form, json_of, post, read_answer, status_of
from tests.daemon.api.test_upload import left_over
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually, png

FILE = 'name="file"; filename="a.png"'


class Disk:
    """Holds every write of an upload from `hang` until `answers` is set; `held` counts those that wait."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.held = threading.Semaphore(0)

    def open(self, path: Path, *arguments: Any, **more: Any) -> Any:
        return _Held(self, io.FileIO(path, "w")) if arguments == ("wb",) else OPEN(path, *arguments, **more)

    def wait(self) -> None:
        if not self.answers.is_set():
            self.held.release()
            assert self.answers.wait(PATIENCE_S)

    def hang(self) -> None:
        self.answers.clear()


OPEN = Path.open


class _Held:
    def __init__(self, disk: Disk, file: io.FileIO) -> None:
        self._disk, self._file = disk, file

    def write(self, data: memoryview) -> int:
        self._disk.wait()
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk()
    monkeypatch.setattr(form_module.Path, "open", lambda path, *rest, **more: made.open(path, *rest, **more))
    yield made
    made.answers.set()


def begin(running: Running, content: bytes, total: int) -> socket.socket:
    """A connection that has sent the beginning of an upload of `total` bytes."""
    connection = socket.create_connection(("127.0.0.1", running.service.api.port), timeout=PATIENCE_S)
    head = form([(FILE, b"@@")]).split(b"@@")[0]
    connection.sendall(post(head + content, length=total))
    return connection


def test_while_an_upload_hangs_everybody_else_is_answered(running: Running, disk: Disk) -> None:
    disk.hang()
    content = png()
    body = form([(FILE, content)])
    with socket.create_connection(("127.0.0.1", running.service.api.port), timeout=PATIENCE_S) as hanging:
        hanging.sendall(post(body))
        assert disk.held.acquire(timeout=PATIENCE_S)
        for path in ("/health", "/api/queue/status", "/"):
            assert running.get(path).status_code == 200
        disk.answers.set()
        answer = read_answer(hanging)
    assert status_of(answer) == 200
    job = running.service.store.get(json_of(answer)["task_id"])
    assert job is not None
    assert Path(job.draft.source).read_bytes() == content


def test_health_is_answered_while_the_disk_holds_every_thread(start: Start, disk: Disk) -> None:
    running = start(SEEDVR2_SERVER_THREADS="4", SEEDVR2_SERVER_MAX_STREAMS="1")
    disk.hang()
    body = form([(FILE, png())])
    hanging = [socket.create_connection(("127.0.0.1", running.service.api.port)) for _ in range(5)]
    try:
        for connection in hanging:
            connection.sendall(post(body))
        for _ in hanging:
            assert disk.held.acquire(timeout=PATIENCE_S)
        assert running.get("/health").status_code == 200
        disk.answers.set()
        for connection in hanging:
            connection.settimeout(PATIENCE_S)
            assert status_of(read_answer(connection)) == 200
    finally:
        for connection in hanging:
            connection.close()


def test_what_waits_for_the_disk_is_bounded_and_arrives_in_order(
    running: Running, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[pipe.FormPipe] = []
    monkeypatch.setattr(pipe.FormPipe, "finish", _remembering(pipe.FormPipe.finish, made))
    disk.hang()
    numbers = b"".join(b"%015d\n" % number for number in range(1 << 20))
    head, tail = form([(FILE, b"@@")]).split(b"@@")
    with socket.create_connection(("127.0.0.1", running.service.api.port), timeout=PATIENCE_S) as connection:
        connection.settimeout(1.0)
        sent = _send_what_is_taken(connection, post(head + numbers, length=len(head + numbers + tail)))
        # The buffers of both sockets, and one piece beyond what may wait.
        assert sent < len(numbers)
        (channel,) = (each for each in running.service.api._listeners[0].active_channels.values() if each.request)
        assert channel.request.form.full
        assert channel.request.form._waiting <= pipe.MAX_WAITING + 256 * 1024
        disk.answers.set()
        connection.settimeout(PATIENCE_S)
        kept: list[bytes] = []
        monkeypatch.setattr(form_module.Upload, "discard", lambda upload: kept.append(upload.path.read_bytes()))
        connection.sendall(post(head + numbers, length=len(head + numbers + tail))[sent:] + tail)
        assert status_of(read_answer(connection)) == 400
    assert kept[0] == numbers
    assert len(made) == 1


def _send_what_is_taken(connection: socket.socket, data: bytes) -> int:
    sent = 0
    while sent < len(data):
        try:
            sent += connection.send(data[sent : sent + 65536])
        except TimeoutError:
            break
    return sent


def _remembering(method: Callable[..., Any], seen: list[pipe.FormPipe]) -> Callable[..., Any]:
    def remember(form: pipe.FormPipe) -> Any:
        seen.append(form)
        return method(form)

    return remember


def test_a_client_that_goes_away_while_the_disk_hangs_leaves_nothing(running: Running, disk: Disk) -> None:
    disk.hang()
    with begin(running, b"x" * 1000, 1 << 20):
        assert disk.held.acquire(timeout=PATIENCE_S)
    eventually(lambda: not running.service.api._listeners[0].active_channels)
    assert left_over(running) != []
    disk.answers.set()
    eventually(lambda: left_over(running) == [])


def test_a_disk_that_never_answers_is_given_up(running: Running, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "STALL_S", 0.1)
    disk.hang()
    answer = exchange(running.service.api.port, post(form([(FILE, png())])))
    assert status_of(answer) == 503
    assert b"Retry-After" in answer
    assert "does not answer" in json_of(answer)["error"]
    disk.answers.set()
    eventually(lambda: left_over(running) == [])
    assert running.service.store.open_jobs() == []


def test_asking_for_free_space_holds_nobody_up(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, asked = threading.Event(), threading.Semaphore(0)

    def hanging(_folder: Path) -> int:
        asked.release()
        assert answers.wait(PATIENCE_S)
        return 1 << 40

    monkeypatch.setattr(room, "free_bytes", hanging)
    monkeypatch.setattr(room, "FRESH_S", 0.0)
    with begin(running, b"x", 1000):
        assert asked.acquire(timeout=PATIENCE_S)
        assert running.get("/health").status_code == 200
        answers.set()


def test_an_error_of_ours_in_a_writer_is_answered_and_the_writers_live(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(form_module.FormReceiver, "append", broken)
        for _ in range(2 * disk_threads.THREADS):
            assert status_of(exchange(running.service.api.port, post(form([(FILE, png())])))) == 500
    running.finished(running.submit())


class Result:
    """A result whose disk lets nobody read before `answers` is set, or fails then. `asked`: somebody waits for it."""

    def __init__(self, file: Any, error: OSError | None = None) -> None:
        self._file, self._error = file, error
        self.answers, self.asked = threading.Event(), threading.Event()
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        if not self.answers.is_set():
            self.asked.set()
        assert self.answers.wait(PATIENCE_S)
        if self._error is not None:
            raise self._error
        return bytes(self._file.read(size))


@pytest.fixture
def result(running: Running, monkeypatch: pytest.MonkeyPatch) -> tuple[str, bytes, list[Result]]:
    """The path of a large result, what is in it, and what becomes of each download of it."""
    job_id = running.submit()
    running.finished(job_id)
    (path,) = running.results()
    content = b"".join(b"%015d\n" % number for number in range(1 << 20))
    path.write_bytes(content)
    opened: list[Result] = []

    def held(descriptor: int, mode: str) -> Result:
        opened.append(Result(os.fdopen(descriptor, mode)))
        return opened[-1]

    monkeypatch.setattr(download, "os", _OsWith(held))
    return f"/api/download/{job_id}", content, opened


class _OsWith:
    def __init__(self, fdopen: Callable[[int, str], Result]) -> None:
        self.fdopen = fdopen

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


@pytest.mark.parametrize("at_once", [True, False], ids=["before the first byte", "in the middle"])
def test_while_a_download_hangs_everybody_else_is_answered(
    running: Running, result: tuple[str, bytes, list[Result]], at_once: bool
) -> None:
    path, content, opened = result
    with socket.socket() as hanging:
        hanging.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        hanging.settimeout(PATIENCE_S)
        hanging.connect(("127.0.0.1", running.service.api.port))
        hanging.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        received = b""
        if not at_once:
            eventually(lambda: opened and opened[0].asked.is_set())
            opened[0].answers.set()
            channels = running.service.api._listeners[0].active_channels.values()
            (channel,) = (each for each in channels if each.addr == hanging.getsockname())
            # The thread of the request is done with it; all else is sent by the thread of the sockets.
            eventually(lambda: channel.close_when_flushed)
            opened[0].answers.clear()
            # Until nothing comes any more: the next read hangs.
            hanging.settimeout(2)
            with suppress(TimeoutError):
                while piece := hanging.recv(65536):
                    received += piece
            hanging.settimeout(PATIENCE_S)
        eventually(lambda: opened and opened[0].asked.is_set())
        for other in ("/health", "/api/queue/status", "/"):
            assert running.get(other).status_code == 200
        opened[0].answers.set()
        while piece := hanging.recv(1 << 20):
            received += piece
    assert received.partition(b"\r\n\r\n")[2] == content


def test_only_a_little_is_read_ahead_of_a_slow_client(
    running: Running, result: tuple[str, bytes, list[Result]]
) -> None:
    path, content, opened = result
    made: list[int] = []
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        slow.connect(("127.0.0.1", running.service.api.port))
        slow.settimeout(PATIENCE_S)
        slow.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        eventually(lambda: opened and opened[0].asked.is_set())
        opened[0].answers.set()
        (channel,) = (each for each in running.service.api._listeners[0].active_channels.values() if not each.idle)
        received = b""
        while piece := slow.recv(65536):
            received += piece
            made.append(sum(len(each) for each in getattr(channel.outbufs[0], "_pieces", ())))
    assert received.partition(b"\r\n\r\n")[2] == content
    assert max(made) <= ahead.PIECES * ahead.PIECE


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), None])
def test_a_result_that_cannot_be_read_on_ends_the_connection(
    running: Running, result: tuple[str, bytes, list[Result]], error: OSError | None
) -> None:
    path, content, opened = result
    with socket.create_connection(("127.0.0.1", running.service.api.port), timeout=PATIENCE_S) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        eventually(lambda: opened and opened[0].asked.is_set())
        # Without an error of its disk, it has become shorter.
        opened[0]._error = error
        running.results()[0].write_bytes(b"short")
        opened[0].answers.set()
        received = b""
        while piece := connection.recv(1 << 20):
            received += piece
    assert len(received.partition(b"\r\n\r\n")[2]) < len(content)
    assert running.get("/health").status_code == 200


def test_a_download_that_is_broken_off_lets_go_of_the_file(
    running: Running, result: tuple[str, bytes, list[Result]]
) -> None:
    path, _, opened = result
    with socket.create_connection(("127.0.0.1", running.service.api.port), timeout=PATIENCE_S) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        eventually(lambda: opened and opened[0].asked.is_set())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    opened[0].answers.set()
    eventually(lambda: opened[0]._file.closed)
    eventually(
        lambda: not [each for each in running.service.api._listeners[0].active_channels.values() if not each.idle]
    )
