"""The real MCP server as a process, in front of a real service or of a small server that answers what a test wants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mcp.client.stdio import StdioServerParameters

from tests.daemon.conftest import running as running
from tests.daemon.conftest import start as start

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "mcp_server.py"
PATIENCE = 120


@dataclass
class Host:
    """Starts MCP servers for one API, with `home` as the home folder."""

    api_url: str
    home: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.home), "SEEDVR2_API_URL": self.api_url, **self.extra}

    def with_environment(self, **extra: str) -> Host:
        return Host(self.api_url, self.home, self.extra | extra)

    def parameters(self) -> StdioServerParameters:
        return StdioServerParameters(
            command=sys.executable, args=[str(SCRIPT)], env=self.environment, cwd=str(self.home)
        )

    def pipe(self, text: str) -> tuple[list[dict[str, Any]], str]:
        """Pipe `text` into a process; its answers and what it wrote to standard error."""
        ended = subprocess.run(
            [sys.executable, str(SCRIPT)],
            input=text, capture_output=True, text=True, timeout=PATIENCE, env=self.environment, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return [json.loads(line) for line in ended.stdout.splitlines()], ended.stderr

    def ask_all(self, *questions: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """The answers of one process to one-shot requests, in their order."""
        lines = [
            json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n"
            for number, (method, params) in enumerate(questions, 1)
        ]
        answers, _ = self.pipe("".join(lines))
        answers.sort(key=lambda answer: int(answer["id"]))
        assert [answer["id"] for answer in answers] == list(range(1, len(questions) + 1))
        return answers

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The one answer to a one-shot request."""
        (answer,) = self.ask_all((method, params))
        return answer

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result of a one-shot tool call."""
        answer = self.ask("tools/call", name=tool, arguments=arguments)
        assert "result" in answer, answer
        return dict(answer["result"])


def text_of(result: dict[str, Any]) -> str:
    """The text of a result that has one block."""
    (block,) = result["content"]
    return str(block["text"])


Reply = tuple[int, Any]


class Stub:
    """An HTTP server that answers `replies[path]`, or what `reply` answers; counts requests."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.reply: Callable[[str], Reply] = lambda path: self.replies.get(path, (404, {"error": f"no {path}"}))
        self.delay_s = 0.0
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.received = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stub.paths.append(self.path)
                stub.headers.append(dict(self.headers.items()))
                left = int(self.headers.get("Content-Length", 0))
                while left:
                    piece = len(self.rfile.read(min(left, 1 << 20)))
                    left, stub.received = left - piece, stub.received + piece
                time.sleep(stub.delay_s)
                status, value = stub.reply(self.path)
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def stubbed(stub: Stub, home: Path) -> Host:
    """MCP servers in front of the stub."""
    return Host(stub.url, home)


@pytest.fixture
def live(running: Any, home: Path) -> Host:
    """MCP servers in front of a running service."""
    return Host(running.service.url, home)
