"""The resources: the queue and each task, as JSON that a host can put into a conversation, and each result."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from mcp_tools.api import Api, Problem, segment
from mcp_tools.finished import RESULT

Content = TypeVar("Content")
# A resource goes through memory in one piece, and as text that is a third longer.
MOST_BYTES = 32 << 20


def register(server: MCPServer[Any], api: Api) -> None:
    """Offer `seedvr2://queue`, `seedvr2://task/{id}` and `seedvr2://result/{id}`."""

    @server.resource("seedvr2://queue", name="queue", title="Queue", mime_type="application/json")
    async def queue() -> dict[str, Any]:
        """What waits and what runs."""
        return await _read(api.get("/api/queue/status"))

    @server.resource("seedvr2://task/{id}", name="task", title="Task", mime_type="application/json")
    async def task(id: str) -> dict[str, Any]:
        """State, progress and result of a task."""
        return await _read(api.get(f"/api/status/{segment(id)}"))

    @server.resource(RESULT + "{id}", name="result", title="Result", mime_type="application/octet-stream")
    async def result(id: str) -> bytes:
        """The file that a completed task made, up to 32 MiB; download_result saves larger ones."""
        return await _read(api.fetch(f"/api/download/{segment(id)}", MOST_BYTES))


async def _read(asked: Awaitable[Content]) -> Content:
    try:
        return await asked
    except Problem as problem:
        kind = ResourceNotFoundError if problem.status == 404 else ResourceError
        raise kind(str(problem)) from None
