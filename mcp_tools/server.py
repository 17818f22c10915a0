"""Puts tools, resources and what an assistant should know first into one MCP server."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, InputRequiredResult

from mcp_tools import resources
from mcp_tools.api import Api
from mcp_tools.settings import Settings
from mcp_tools.tools import Tools

INSTRUCTIONS = """\
Upscales and restores videos and pictures with SeedVR2.
Submit a file with submit_image_task or submit_video_task, then call wait_for_task with its task_id: a picture takes
seconds, a video minutes to hours. preview shows in seconds what a task would look like, at several strengths.
output_path is a path on the machine of the SeedVR2 server; download_result saves the result on this one. Tasks run one
at a time; get_queue_status says what is ahead."""


class SeedVR2Server(MCPServer[Any]):
    """An MCP server whose errors are the bare sentence, without the SDK's `Error executing tool …`."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if isinstance(error.__cause__, ToolError):
                raise error.__cause__ from None
            raise


def make_server(api: Api, settings: Settings) -> SeedVR2Server:
    """The server, ready for any transport."""
    server = SeedVR2Server(
        "seedvr2",
        title="SeedVR2 Video Upscaler",
        instructions=INSTRUCTIONS,
        version=_version(),
        # Standard error is what a host shows as trouble.
        log_level="WARNING",
    )
    Tools(api, settings).register(server)
    resources.register(server, api)
    return server


def _version() -> str:
    try:
        return version("seedvr2d")
    except PackageNotFoundError:
        return "0"
