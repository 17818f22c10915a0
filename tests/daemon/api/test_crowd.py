"""More connections than descriptors: they cost nobody an answer, and no job its files."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from daemon.api import listener
from tests.daemon.conftest import PATIENCE_S, Running, eventually, png

LIMIT = 128


@pytest.fixture
def poor(tmp_path: Path) -> Iterator[int]:
    """The port of a service that may open `LIMIT` descriptors."""
    command = [sys.executable, "-m", "tests.daemon.api.crowd_target", str(tmp_path), str(LIMIT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        yield int(child.stdout.readline())
        child.stdin.close()
        assert child.wait(PATIENCE_S) == 0


def test_more_idle_connections_than_descriptors_keep_nobody_out(poor: int) -> None:
    idle = [socket.create_connection(("127.0.0.1", poor)) for _ in range(2 * LIMIT)]
    half_asked = [socket.create_connection(("127.0.0.1", poor)) for _ in range(LIMIT)]
    url = f"http://127.0.0.1:{poor}"
    try:
        for connection in half_asked:
            # Some have been closed in favour of later ones by now.
            try:
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: loc")
            except OSError:
                continue
        assert requests.get(f"{url}/health", timeout=PATIENCE_S).status_code == 200
        answer = requests.post(f"{url}/api/process", files={"file": ("a.png", png())}, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        status = f"{url}/api/status/{answer.json()['task_id']}"
        eventually(lambda: requests.get(status, timeout=PATIENCE_S).json()["status"] == "completed")
    finally:
        for connection in (*idle, *half_asked):
            connection.close()


def test_no_descriptor_left_means_a_rest_and_not_a_busy_loop(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener, "REST_S", 3600.0)
    (own,) = running.service.api._listeners
    tries = []

    class Exhausted:
        """The listening socket of a process that has no descriptor left."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def accept(self) -> None:
            tries.append(1)
            raise OSError(errno.EMFILE, "Too many open files")

    real, own.socket = own.socket, Exhausted()
    idle = next(iter(own.active_channels.values()), None)
    waiting = socket.create_connection(("127.0.0.1", running.service.api.port))
    try:
        eventually(lambda: tries)
        # However often the loop goes round, it does not try before its rest is over.
        for _ in range(100):
            own.pull_trigger()
        assert len(tries) == 1
        assert running.service.api.is_alive()
        assert "no connection can be accepted" in caplog.text
        assert idle is None or idle.will_close
        own.socket, own._rests_until = real, 0.0
        own.pull_trigger()
        waiting.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")
    finally:
        own.socket = real
        waiting.close()


def test_a_name_with_several_addresses_is_listened_on_at_each(
    running: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from daemon.api.gate import Gate
    from daemon.api.server import ApiServer
    from daemon.settings.keys import ServerSettings

    stream = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    addresses = [(socket.AF_INET, *stream, (host, 0)) for host in ("127.0.0.1", "127.0.0.2")]
    settings = ServerSettings(host="localhost", port=0)
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", lambda *_arguments, **_more: addresses)
        server = ApiServer(lambda _environ, _start: [], settings, Gate(settings, tmp_path, 0))
    server.start()
    try:
        assert [each.effective_host for each in server._listeners] == ["127.0.0.1", "127.0.0.2"]
        for each in server._listeners:
            socket.create_connection((each.effective_host, int(each.effective_port))).close()
    finally:
        server.stop()
    assert not server.is_alive()
