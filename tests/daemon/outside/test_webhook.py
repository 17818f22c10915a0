"""The webhook: told once per ended job, with retry and a signature."""

from __future__ import annotations

import base64
import errno
import hashlib
import hmac
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from daemon.outside import courier, outbox
from tests.daemon.conftest import Start, eventually


class Receiver(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.send_header("Content-Length", "0")
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_ended_jobs_are_told_with_retry_and_signature(
    receiver: Receiver, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "LONGEST_PAUSE_S", 0.05)
    receiver.statuses = [500, 302, 200]
    running = start(SEEDVR2_WEBHOOK_URL=receiver.url, SEEDVR2_WEBHOOK_SECRET="key")
    running.service._parts.webhook._first_pause_s = 0.01
    job_id = running.submit()
    eventually(lambda: len(receiver.got) == 3)
    headers, body = receiver.got[-1]
    message = json.loads(body)
    assert message["event"] == "task.completed"
    assert message["task"]["id"] == job_id
    assert message["task"]["output_filename"]
    signature = hmac.new(b"key", body, hashlib.sha256).hexdigest()
    assert headers["x-seedvr2-signature"] == f"sha256={signature}"
    running.executor.errors.append(ValueError())
    running.submit()
    eventually(lambda: len(receiver.got) == 4)
    assert json.loads(receiver.got[-1][1])["event"] == "task.failed"


def test_it_gives_up_and_says_so(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    running = start(SEEDVR2_WEBHOOK_URL="http://127.0.0.1:9/", SEEDVR2_WEBHOOK_ATTEMPTS="2")
    running.service._parts.webhook._first_pause_s = 0.01
    running.finished(running.submit())
    eventually(lambda: "could not be told after 2 tries" in caplog.text)


def test_what_could_not_be_told_before_a_stop_is_told_after_the_next_start(receiver: Receiver, start: Start) -> None:
    receiver.statuses = [503] * 100
    running = start(SEEDVR2_WEBHOOK_URL=receiver.url, SEEDVR2_WEBHOOK_ATTEMPTS="20")
    first, second = running.submit(), running.submit()
    running.finished(first)
    running.finished(second)
    eventually(lambda: len(receiver.got) > 0)
    running.service.stop()
    receiver.statuses.clear()
    receiver.got.clear()
    start(SEEDVR2_WEBHOOK_URL=receiver.url)
    eventually(lambda: len(receiver.got) == 2)
    assert [json.loads(body)["task"]["id"] for _, body in receiver.got] == [first, second]
    kept = running.config.paths.state / "webhook"
    eventually(lambda: not list(kept.iterdir()))


def test_damaged_and_foreign_files_hold_up_no_message_and_none_is_deleted(
    receiver: Receiver, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    running = start()
    folder = running.config.paths.state / "webhook"
    running.service.stop()
    folder.mkdir()
    own = "00000000000000000{:03}-0000000a.json"
    damaged = {
        own.format(1): b'{"event": ',
        own.format(2): b"[" * 100_000,
        own.format(3): b'{"task": []}',
        own.format(4): b"\xff\xfe",
        own.format(5): b"",
        own.format(6): b'"' + b"x" * (2 << 20) + b'"',
    }
    foreign = {"notes.json": b"{}", "0-torn.json": b"{", ".hidden.tmp": b"", ".notes.json.abcdefgh.tmp": b""}
    for name, content in (damaged | foreign).items():
        (folder / name).write_bytes(content)
    (folder / own.format(7)).mkdir()
    (folder / own.format(8)).symlink_to(folder / "notes.json")
    leftover = folder / f".{own.format(9)}.abcd_123.tmp"
    leftover.write_bytes(b'{"event"')
    running = start(SEEDVR2_WEBHOOK_URL=receiver.url)
    job_id = running.submit()
    eventually(lambda: len(receiver.got) == 1)
    assert json.loads(receiver.got[0][1])["task"]["id"] == job_id
    eventually(lambda: len(list(folder.glob("0*-*.json"))) == 3)
    assert {path.name: path.read_bytes() for path in (folder / "damaged").iterdir()} == damaged
    assert all((folder / name).read_bytes() == content for name, content in foreign.items())
    assert (folder / own.format(7)).is_dir()
    assert (folder / own.format(8)).is_symlink()
    assert not leftover.exists()
    assert all(f"{name} is damaged" in caplog.text for name in damaged)


def test_thousands_of_foreign_files_are_left_alone(receiver: Receiver, start: Start) -> None:
    running = start()
    folder = running.config.paths.state / "webhook"
    running.service.stop()
    folder.mkdir()
    for number in range(3000):
        (folder / f"{number}.json").touch()
    running = start(SEEDVR2_WEBHOOK_URL=receiver.url)
    running.finished(running.submit())
    eventually(lambda: len(receiver.got) == 1)
    eventually(lambda: len(list(folder.iterdir())) == 3000)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EACCES])
def test_a_state_disk_that_takes_nothing_costs_no_message_and_no_job(
    receiver: Receiver,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: int,
) -> None:
    def refuse(*_arguments: Any, **_more: Any) -> None:
        raise OSError(error, os.strerror(error))

    running = start(SEEDVR2_WEBHOOK_URL=receiver.url)
    monkeypatch.setattr(outbox, "write_durably", refuse)
    jobs = [running.submit(), running.submit()]
    assert [running.finished(job)["status"] for job in jobs] == ["completed", "completed"]
    eventually(lambda: len(receiver.got) == 2)
    assert "would not outlive a restart" in caplog.text


def test_a_file_in_the_place_of_the_folder_is_left_alone(receiver: Receiver, start: Start) -> None:
    running = start()
    place = running.config.paths.state / "webhook"
    running.service.stop()
    place.write_text("somebody else's")
    running = start(SEEDVR2_WEBHOOK_URL=receiver.url)
    running.finished(running.submit())
    eventually(lambda: len(receiver.got) == 1)
    assert place.read_text() == "somebody else's"


def test_a_message_that_cannot_be_removed_stops_no_other(
    receiver: Receiver, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running = start(SEEDVR2_WEBHOOK_URL=receiver.url)
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "webhook":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    for _ in range(2):
        running.finished(running.submit())
    eventually(lambda: len(receiver.got) == 2)
    eventually(lambda: caplog.text.count("may be told again") == 2)


def test_a_password_in_the_address_is_sent_as_a_header_and_never_logged(
    receiver: Receiver, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    address = receiver.url.replace("http://", "http://me:s%40cret@") + "?key=t0ken"
    running = start(SEEDVR2_WEBHOOK_URL=address)
    running.finished(running.submit())
    eventually(lambda: len(receiver.got) == 1)
    assert receiver.got[0][0]["authorization"] == "Basic " + base64.b64encode(b"me:s@cret").decode()
    assert "cret" not in caplog.text
    assert "t0ken" not in caplog.text


@pytest.mark.parametrize("address", ["http://me:s3cret@127.0.0.1:nine/t0ken", "http://[s3cret/t0ken", "http:///t0ken"])
def test_an_address_that_is_none_is_not_shown_in_the_log(
    start: Start, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    running = start(SEEDVR2_WEBHOOK_URL=address, SEEDVR2_WEBHOOK_ATTEMPTS="1")
    running.finished(running.submit())
    eventually(lambda: "could not be told after 1 tries" in caplog.text)
    assert "s3cret" not in caplog.text
    assert "t0ken" not in caplog.text


def test_what_cannot_be_looked_at_or_cleared_keeps_back_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = outbox.Outbox(tmp_path, "webhook")
    told = box.path_for("00000001")
    box.keep(told, b"{}")
    left = tmp_path / f".{told.name}.abcdefgh.tmp"
    hidden = tmp_path / f"{0:020}-x.json"
    for path in (left, hidden):
        path.touch()
    is_file, unlink = Path.is_file, Path.unlink

    def looked(path: Path) -> bool:
        if path == hidden:
            raise OSError(errno.EIO, "Input/output error")
        return is_file(path)

    def removed(path: Path, missing_ok: bool = False) -> None:
        if path == left:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "is_file", looked)
    monkeypatch.setattr(Path, "unlink", removed)
    assert box.waiting() == [told]


def test_a_message_over_which_something_unforeseen_happens_keeps_back_no_other(
    receiver: Receiver, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(SEEDVR2_WEBHOOK_URL=receiver.url)
    hook = running.service._parts.webhook
    send, stumbles = hook._send, [RuntimeError("never thought of")]

    def stumbling(body: bytes) -> str | None:
        if stumbles:
            raise stumbles.pop()
        return send(body)

    monkeypatch.setattr(hook, "_send", stumbling)
    running.finished(running.submit())
    second = running.submit()
    eventually(lambda: len(receiver.got) == 1)
    assert json.loads(receiver.got[0][1])["task"]["id"] == second
