"""The SDK's own client, held to one protocol version, over either transport."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import pytest
from mcp.client import session
from mcp.client.client import Client
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from tests.mcp.conftest import PATIENCE, SCRIPT, Host


@asynccontextmanager
async def connected(server: Any, version: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A client that speaks `version`."""
    mode = version
    if version in HANDSHAKE_PROTOCOL_VERSIONS:
        # The client always offers the latest of them; there is no argument for it.
        monkeypatch.setattr(session, "LATEST_HANDSHAKE_VERSION", version)
        mode = "legacy"
    async with Client(server, mode=mode, read_timeout_seconds=PATIENCE) as client:
        assert client.protocol_version == version
        yield client


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine, but not for ever."""

    async def bounded() -> None:
        with anyio.fail_after(PATIENCE):
            await scene()

    anyio.run(bounded)


@contextmanager
def http_server(host: Host, *arguments: str) -> Iterator[str]:
    """A `--http` process; its address."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--http", "--port", "0", *arguments],
        env=host.environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        found = re.search(r"MCP at (http://\S+)", process.stderr.readline())
        assert found
        yield found[1]
    finally:
        process.terminate()
        process.wait(30)
        assert process.stderr is not None
        process.stderr.close()
