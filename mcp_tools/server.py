"""Puts tools, resources and what an assistant should know first into one MCP server."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, InputRequiredResult
from pydantic import ValidationError

from mcp_tools import prompts, resources
from mcp_tools.api import Api
from mcp_tools.arguments import check_names, sentence
from mcp_tools.plan_tool import PlanTool
from mcp_tools.preview_tool import PreviewTool
from mcp_tools.service_tools import ServiceTools
from mcp_tools.settings import Settings
from mcp_tools.task_tools import TaskTools

INSTRUCTIONS = """\
Upscales and restores videos and pictures with SeedVR2.
Submit a file with submit_image_task or submit_video_task, then call wait_for_task with its task_id: a picture takes
seconds, a video minutes to hours. Leave out every parameter that was not asked for: the server has its own defaults.
Where a preset was asked for, list_presets shows those there are.
preview shows in seconds what a task would look like, at several strengths. output_path is a path on the machine of the
SeedVR2 server; download_result saves the result on this one. Tasks run one at a time; get_queue_status says what is
ahead, and get_queue_history what failed and why."""


class SeedVR2Server(MCPServer[Any]):
    """An MCP server whose errors are one sentence, without the SDK's `Error executing tool …`.

    An argument that a tool does not have is one of them: dropped in silence, it would give another result than asked.
    """

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        schema = next((tool.input_schema for tool in await self.list_tools() if tool.name == name), None)
        if schema is not None:
            check_names(name, arguments, schema)
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if isinstance(error.__cause__, ToolError):
                raise error.__cause__ from None
            if isinstance(error.__cause__, ValidationError) and schema is not None:
                raise ToolError(sentence(name, error.__cause__, schema)) from None
            raise


def make_server(api: Api, settings: Settings) -> SeedVR2Server:
    """The server, ready for any transport."""
    offers = [
        *TaskTools(api, settings.folders).offers(),
        *PlanTool(api, settings.folders).offers(),
        *PreviewTool(api, settings.folders).offers(),
        *ServiceTools(api).offers(),
    ]
    server = SeedVR2Server(
        "seedvr2",
        title="SeedVR2 Video Upscaler",
        instructions=INSTRUCTIONS,
        version=_version(),
        # Standard error is what a host shows as trouble.
        log_level="WARNING",
        tools=[offer.tool() for offer in offers],
    )
    resources.register(server, api)
    prompts.register(server, settings.folders)
    return server


def _version() -> str:
    try:
        return version("seedvr2d")
    except PackageNotFoundError:
        return "0"
