"""A hub on this machine: a real HTTP server that serves files as the public one does, and can misbehave."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """What the server has and does.

    Attributes:
        files: content by path, such as `/owner/name/resolve/main/file`.
        drop_after: break each transfer after so many bytes, as often as the list has entries.
        reset: break rudely, with a TCP reset.
        ranges: whether parts can be asked for.
        damage: content that is sent in place of the right one.
        gate: where it is cleared, half of each file is sent and the rest waits for it.
        requests: method, path and the Range header of every request.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    drop_after: list[int] = field(default_factory=list)
    reset: bool = False
    ranges: bool = True
    damage: dict[str, bytes] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    def add(self, repo: str, name: str, content: bytes, revision: str = "main") -> None:
        self.files[f"/{repo}/resolve/{revision}/{name}"] = content

    def fetched(self) -> list[str]:
        """Paths that were really transferred, in order."""
        return [path for method, path, _ in self.requests if method == "GET" and "/api/" not in path]


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()
    hub.gate.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, *, body: bool) -> None:
            wanted = self.headers.get("Range")
            hub.requests.append((self.command, self.path, wanted))
            content = hub.files.get(self.path)
            if content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            etag = hashlib.sha256(content).hexdigest()
            sent = hub.damage.get(self.path, content)
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted and hub.ranges else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(sent) - 1}/{len(sent)}")
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(sent) - start))
            self.end_headers()
            if body:
                with suppress(ConnectionError):  # some clients hang up
                    self._send(sent[start:])

        def _send(self, content: bytes) -> None:
            if not hub.gate.is_set():
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                content = content[len(content) // 2 :]
                hub.gate.wait()
            if not hub.drop_after:
                self.wfile.write(content)
                return
            self.wfile.write(content[: hub.drop_after.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            if hub.reset:
                time.sleep(0.2)  # for what was sent to be read first
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
