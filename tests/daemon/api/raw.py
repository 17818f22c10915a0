"""HTTP by hand, for what no well-behaved client sends."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any


def exchange(port: int, data: bytes, *, timeout: float = 10.0) -> bytes:
    """Send bytes and answer what comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        with suppress(ConnectionError):
            connection.sendall(data)
        return read_answer(connection, head=data.startswith(b"HEAD"))


def read_answer(connection: socket.socket, *, head: bool = False) -> bytes:
    """One answer: as long as its Content-Length says, or until the end."""
    received = b""
    with suppress(ConnectionError):
        while piece := connection.recv(65536):
            received = (received + piece).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
            headers, found, body = received.partition(b"\r\n\r\n")
            if not found:
                continue
            length = [line for line in headers.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            bodiless = head or status_of(received) in (204, 304)
            if bodiless or (length and len(body) >= int(length[0].split(b":")[1])):
                break
    return received


def status_of(answer: bytes) -> int:
    """The status of an answer, or 0 for none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def json_of(answer: bytes) -> dict[str, Any]:
    """Its body."""
    return dict(json.loads(answer.partition(b"\r\n\r\n")[2]))


def form(parts: list[tuple[str, bytes]], boundary: str = "XX") -> bytes:
    """A multipart body from (Content-Disposition parameters, data)."""
    body = b""
    for disposition, data in parts:
        body += f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


def post(
    body: bytes, *headers: str, path: str = "/api/process", boundary: str = "XX", length: int | None = None
) -> bytes:
    """A POST of a multipart body."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: multipart/form-data; boundary={boundary}",
        *headers,
    ]
    if not any(header.lower().startswith("transfer-encoding") for header in headers):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
