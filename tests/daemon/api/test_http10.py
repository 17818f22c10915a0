"""HTTP/1.0, as load balancers, `curl -0` and `ab` speak it: by raw sockets."""

from __future__ import annotations

import socket

import pytest

from tests.daemon.api.raw import exchange, form, json_of, post, status_of
from tests.daemon.conftest import Running, Start, png


def ask(running: Running, *lines: str) -> bytes:
    return exchange(running.service.api.port, "\r\n".join(lines).encode() + b"\r\n\r\n")


@pytest.mark.parametrize(
    "lines",
    [
        ["GET /health HTTP/1.0"],
        ["HEAD /health HTTP/1.0"],
        ["GET /health HTTP/1.0", "Connection: keep-alive"],
        ["GET /health HTTP/1.0", "Connection: Keep-Alive", "Host: localhost"],
        ["GET /health HTTP/1.0", "Host: 10.0.0.7:8200"],
        ["GET /health HTTP/1.0", "User-Agent: kube-probe/1.30"],
        ["GET /api/queue/status HTTP/1.0", "Host: localhost"],
        ["GET / HTTP/1.0", "Host: localhost", "Connection: keep-alive"],
    ],
)
def test_it_is_answered(running: Running, lines: list[str]) -> None:
    answer = ask(running, *lines)
    assert status_of(answer) == 200
    assert answer.startswith(b"HTTP/1.0 200")
    kept = any("keep-alive" in line.lower() for line in lines)
    assert (b"connection: keep-alive" if kept else b"connection: close") in answer.lower()


@pytest.mark.parametrize(
    "lines",
    [
        # Only the state of the service may be asked for without saying whom one means.
        ["GET /api/queue/status HTTP/1.0"],
        ["GET / HTTP/1.0"],
        ["POST /api/gpu/offload HTTP/1.0"],
        ["GET /metrics HTTP/1.0"],
        # HTTP/1.1 has to name the host, and a name that is not ours stays refused.
        ["GET /health HTTP/1.1"],
        ["GET /health HTTP/1.0", "Host: evil.example"],
        ["GET /health HTTP/1.0", "Host:"],
    ],
)
def test_the_host_is_still_checked(running: Running, lines: list[str]) -> None:
    answer = ask(running, *lines)
    assert status_of(answer) == 403
    assert "is not served here" in json_of(answer)["error"]


def test_a_foreign_page_without_a_host_may_not_change_anything(running: Running) -> None:
    answer = ask(running, "POST /health HTTP/1.0", "Origin: https://evil.example")
    assert status_of(answer) == 403


def test_a_token_changes_nothing_for_health(start: Start) -> None:
    running = start(SEEDVR2_SERVER_TOKEN="s3cret")
    assert status_of(ask(running, "GET /health HTTP/1.0")) == 200
    assert status_of(ask(running, "GET /api/queue/status HTTP/1.0", "Host: localhost")) == 401


def test_two_requests_on_a_connection_that_is_kept(running: Running) -> None:
    one = b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    last = b"GET /health HTTP/1.0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.service.api.port), timeout=10) as connection:
        connection.sendall(one + last)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.0 200") == 2


def test_an_upload_and_an_event_stream(running: Running) -> None:
    upload = post(form([('name="file"; filename="a.png"', png())])).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    answer = exchange(running.service.api.port, upload)
    assert status_of(answer) == 200
    task_id = json_of(answer)["task_id"]
    running.finished(task_id)
    events = ask(running, f"GET /api/tasks/{task_id}/events HTTP/1.0", "Host: localhost")
    assert b"event: state" in events
    assert b"chunked" not in events.lower()
