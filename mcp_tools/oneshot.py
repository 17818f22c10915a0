"""Serves stdio to hosts and to one-shot commands: `echo '{…"tools/list"}' | python mcp_server.py`.

The SDK refuses a request before the handshake, and at end of input it drops the answers that are still being made
(python-sdk issue 2678). So its loop gets a stream pair of ours, which adds a handshake where none comes and holds the
end of input back until everything is answered.
"""

from __future__ import annotations

import secrets
from collections import Counter
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from pydantic import ValidationError

# A host that closes the pipe expects the server to go; one-shot commands wait for their answer, however long.
GRACE_S = 5.0

Item = SessionMessage | Exception


async def serve_stdio(server: Server[Any]) -> None:
    """Serve standard input and output until the input ends."""
    async with stdio_server() as (incoming, outgoing):
        await serve(server, incoming, outgoing)


async def serve(server: Server[Any], incoming: ReadStream[Item], outgoing: WriteStream[SessionMessage]) -> None:
    """Serve one pair of streams as `serve_stdio` does."""
    to_server, server_reads = anyio.create_memory_object_stream[Item](0)
    server_writes, from_server = anyio.create_memory_object_stream[SessionMessage](0)
    relay = _Relay(to_server, outgoing)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(relay.feed, incoming)
        tasks.start_soon(relay.drain, from_server)
        await server.run(server_reads, server_writes, server.create_initialization_options())


class _Relay:
    """Stands between the pipe and the SDK's loop, and knows which requests are not answered yet."""

    def __init__(self, to_server: MemoryObjectSendStream[Item], outgoing: WriteStream[SessionMessage]) -> None:
        self._to_server = to_server
        self._outgoing = outgoing
        self._open: Counter[str | int] = Counter()
        self._all_answered = anyio.Event()
        self._ended = False
        self._one_shot: bool | None = None
        self._own_id = f"handshake-{secrets.token_hex(8)}"

    async def feed(self, incoming: ReadStream[Item]) -> None:
        """Pass on what comes in; at its end, wait for the answers before saying so."""
        async with self._to_server:
            async for item in incoming:
                if isinstance(item, Exception):
                    await self._reject(item)
                else:
                    await self._take(item)
            self._ended = True
            self._note_answers()
            with anyio.move_on_after(None if self._one_shot else GRACE_S):
                await self._all_answered.wait()

    async def drain(self, from_server: MemoryObjectReceiveStream[SessionMessage]) -> None:
        """Pass on what the server says, but for the answer to our own handshake."""
        async with self._outgoing:
            async for item in from_server:
                message = item.message
                if not isinstance(message, JSONRPCResponse | JSONRPCError):
                    await self._outgoing.send(item)
                elif message.id != self._own_id:
                    await self._outgoing.send(item)
                    self._close(message.id)

    async def _take(self, item: SessionMessage) -> None:
        message = item.message
        if isinstance(message, JSONRPCRequest):
            if self._one_shot is None and message.method != "ping":
                self._one_shot = message.method != "initialize" and not _has_envelope(message)
                if self._one_shot:
                    await self._shake_hands()
            self._open[message.id] += 1
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            # The protocol forbids an answer to what was cancelled.
            self._close((message.params or {}).get("requestId"))
        await self._to_server.send(item)

    async def _shake_hands(self) -> None:
        client = {"name": "one-shot", "version": "1"}
        params = {"protocolVersion": LATEST_HANDSHAKE_VERSION, "capabilities": {}, "clientInfo": client}
        hello = JSONRPCRequest(jsonrpc="2.0", id=self._own_id, method="initialize", params=params)
        await self._to_server.send(SessionMessage(hello))
        ready = JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")
        await self._to_server.send(SessionMessage(ready))

    async def _reject(self, error: Exception) -> None:
        """Answer a line that is no message; an empty one is nothing at all."""
        faults = error.errors() if isinstance(error, ValidationError) else []
        no_json = not faults or faults[0]["type"] == "json_invalid"
        if no_json and faults and not str(faults[0]["input"]).strip():
            return
        fault = (
            ErrorData(code=PARSE_ERROR, message="Parse error: the line is not JSON")
            if no_json
            else ErrorData(code=INVALID_REQUEST, message="Invalid request: the line is no JSON-RPC 2.0 message")
        )
        await self._outgoing.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=None, error=fault)))

    def _close(self, request_id: Any) -> None:
        if isinstance(request_id, str | int) and self._open[request_id] > 0:
            self._open[request_id] -= 1
        self._note_answers()

    def _note_answers(self) -> None:
        if self._ended and not self._open.total():
            self._all_answered.set()


def _has_envelope(request: JSONRPCRequest) -> bool:
    """Whether a request names its protocol version itself, as those since 2026-07-28 do."""
    meta = (request.params or {}).get("_meta")
    return isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta
