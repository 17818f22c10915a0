"""`--http`: the same tools over streamable HTTP, for hosts that connect instead of starting a process."""

from __future__ import annotations

import hmac
import socket
import sys
from typing import Any

import uvicorn
from mcp.server import MCPServer
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_tools.settings import LOOPBACK, SettingsError

PATH = "/mcp"


async def serve_http(server: MCPServer[Any], host: str, port: int, token: str) -> None:
    """Serve until a signal ends the process. Raises SettingsError if that would be unsafe or the port is taken."""
    if host not in LOOPBACK and not token:
        raise SettingsError("An address that others can reach needs a token: set SEEDVR2_MCP_TOKEN.")
    app: ASGIApp = server.streamable_http_app(host=host, streamable_http_path=PATH)
    if token:
        app = TokenGuard(app, token)
    listening = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    print(f"MCP at http://{shown}:{listening.getsockname()[1]}{PATH}", file=sys.stderr, flush=True)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
    await uvicorn.Server(config).serve(sockets=[listening])


class TokenGuard:
    """Lets requests pass that carry the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._known(Headers(scope=scope)):
            answer = JSONResponse(
                {"error": "Send the token of this MCP server as 'Authorization: Bearer TOKEN'."},
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _known(self, headers: Headers) -> bool:
        # As bytes: a header may hold anything, and only ASCII texts can be compared in constant time.
        return hmac.compare_digest(headers.get("authorization", "").encode("latin-1"), self._expected)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise SettingsError(f"{host}:{port} cannot be listened on: {error.strerror}. Give another --port.") from None
