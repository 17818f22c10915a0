"""Malformed requests: no 500, JSON always, and neither files nor memory are left behind."""

from __future__ import annotations

import random
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.daemon.api.raw import exchange, form, post, status_of
from tests.daemon.conftest import Running, png

ALPHABET = "abcABC019-_.~/%\\\"'<>{}[]();:,?#&=+*!|\x00\x01\x7f\xff éß漢🎬"
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "BREW")
PATHS = (
    "/health", "/metrics", "/api/gpu/status", "/api/gpu/offload", "/api/models", "/api/models/switch",
    "/api/queue/status", "/api/queue/position/{}", "/api/queue/history?limit={}", "/api/queue/history?status={}",
    "/api/process", "/api/status/{}", "/api/download/{}", "/api/tasks/{}", "/api/tasks/{}/cancel",
    "/api/tasks/{}/retry", "/api/tasks/{}/events", "/{}", "/api/{}",
)  # fmt: skip
FIELDS = ("resolution", "seed", "batch_size", "dit_model", "priority", "color_correction", "vae_tiling", "tf32", "odd")


def text(chance: random.Random, longest: int = 40) -> str:
    return "".join(chance.choice(ALPHABET) for _ in range(chance.randrange(longest)))


def any_request(chance: random.Random) -> bytes:
    path = chance.choice(PATHS).format(quote(text(chance), safe=chance.choice(("", "/%"))))
    body = text(chance, 200).encode("utf-8", "surrogatepass")
    headers = [f"Host: {chance.choice(('localhost', '127.0.0.1', 'evil.example', ''))}"]
    for name in ("Content-Type", "Range", "Authorization", "Origin", "If-None-Match", "Expect", "Accept"):
        if chance.random() < 0.3:
            value = chance.choice(("multipart/form-data; boundary=XX", "application/json", "bytes=0-", text(chance)))
            headers.append(f"{name}: {value}".replace("\n", " "))
    headers.append(f"Content-Length: {chance.choice((len(body), 0, len(body)))}")
    head = f"{chance.choice(METHODS)} {path} HTTP/1.{chance.choice('01')}\r\n" + "\r\n".join(headers) + "\r\n\r\n"
    return head.encode("utf-8") + body


def any_form(chance: random.Random) -> bytes:
    parts = [(f'name="{chance.choice(FIELDS)}"', text(chance).encode()) for _ in range(chance.randrange(4))]
    content = chance.choice((png(), png()[: chance.randrange(70)], text(chance).encode()))
    parts.append((f'name="file"; filename="{text(chance)}"'.replace("\n", ""), content))
    chance.shuffle(parts)
    body = bytearray(form(parts))
    for _ in range(chance.randrange(3)):
        position = chance.randrange(len(body))
        body[position : position + chance.randrange(3)] = text(chance, 4).encode()
    return post(bytes(body))


@pytest.mark.parametrize("seed", range(4))
def test_malformed_requests_do_no_harm(running: Running, seed: int) -> None:
    chance = random.Random(seed)
    port = running.service.api.port
    running.executor.steps = 1
    for number in range(120):
        request = any_form(chance) if number % 2 else any_request(chance)
        answer = exchange(port, request, timeout=2) if b"/events" not in request else b""
        status = status_of(answer)
        assert status < 500 or status == 503, (request, answer)
        if status >= 400 and not request.startswith(b"HEAD"):
            assert b"application/json" in answer, (request, answer)
            assert b"Traceback" not in answer
            assert str(running.inbox.parent).encode() not in answer
    for job in running.service.store.open_jobs():
        running.finished(job.id)
    known = {Path(job.draft.source).parent for job in running.history()}
    assert set(running.service.context.uploads.iterdir()) <= known
    assert running.get("/health").json()["status"] == "healthy"


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\x02\x00\x01", b"GET", b"GET / HTTP/9.9", b"\x00" * 100, b"GET / HTTP/1.1\r\nX:\x00"]
)
def test_bytes_that_are_no_http(running: Running, junk: bytes) -> None:
    answer = exchange(running.service.api.port, junk + b"\r\n\r\n", timeout=5)
    assert 400 <= status_of(answer) < 500
    assert running.get("/health").status_code == 200


def test_a_header_without_end_is_refused(running: Running) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 300_000 + b"\r\n\r\n"
    assert status_of(exchange(running.service.api.port, request)) == 431
