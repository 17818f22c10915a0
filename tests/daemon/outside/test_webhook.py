"""The webhook: told once per ended job, with retry and a signature."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from daemon.outside import webhook
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
    monkeypatch.setattr(webhook, "LONGEST_PAUSE_S", 0.05)
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


def test_a_message_that_cannot_be_read_holds_up_no_other(
    receiver: Receiver, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    running = start()
    folder = running.config.paths.state / "webhook"
    running.service.stop()
    folder.mkdir()
    (folder / "0-torn.json").write_bytes(b'{"event": ')
    running = start(SEEDVR2_WEBHOOK_URL=receiver.url)
    job_id = running.submit()
    eventually(lambda: len(receiver.got) == 1)
    assert json.loads(receiver.got[0][1])["task"]["id"] == job_id
    assert "0-torn.json cannot be read" in caplog.text
    eventually(lambda: not list(folder.iterdir()))
