"""The resources: the queue and each task, as JSON that a host can put into a conversation."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from mcp_tools.api import Api, Problem, segment


def register(server: MCPServer[Any], api: Api) -> None:
    """Offer `seedvr2://queue` and `seedvr2://task/{id}`."""

    @server.resource("seedvr2://queue", name="queue", title="Queue", mime_type="application/json")
    async def queue() -> dict[str, Any]:
        """What waits and what runs."""
        return await _read(api.get("/api/queue/status"))

    @server.resource("seedvr2://task/{id}", name="task", title="Task", mime_type="application/json")
    async def task(id: str) -> dict[str, Any]:
        """State, progress and result of a task."""
        return await _read(api.get(f"/api/status/{segment(id)}"))


async def _read(asked: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    try:
        return await asked
    except Problem as problem:
        kind = ResourceNotFoundError if problem.status == 404 else ResourceError
        raise kind(str(problem)) from None
