"""A disk that takes nothing for a while: only those who need it wait, and nothing of what they sent is lost."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.api import form as form_module
from daemon.api import pipe, room
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
        for _ in range(2 * pipe.THREADS):
            assert status_of(exchange(running.service.api.port, post(form([(FILE, png())])))) == 500
    running.finished(running.submit())
