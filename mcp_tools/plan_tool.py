"""The tool that says what a task would take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from mcp_tools import files
from mcp_tools.api import Api
from mcp_tools.described import Value, answer, names, with_parameters
from mcp_tools.offering import READS, Answer, Offer, Preset, given, task_of


class PlanTool:
    """The tool over one API, for the files in some folders."""

    def __init__(self, api: Api, folders: Sequence[Path]) -> None:
        self._api = api
        self._folders = folders

    def offers(self) -> list[Offer]:
        """The one."""
        options = [name for name in names() if name != "priority"]
        return [Offer(with_parameters(self.plan_task, options), READS, answer("Plan"))]

    async def plan_task(
        self,
        file_path: Annotated[str, Field(description="A picture or video where this MCP server runs")] = "",
        task_id: Annotated[str, Field(description="Or a task")] = "",
        width: Annotated[int | None, Field(ge=1, description="Or pixels of a source that is not at hand")] = None,
        height: Annotated[int | None, Field(ge=1, description="And its height")] = None,
        frames: Annotated[int | None, Field(ge=1, description="And how many frames it has, if it is a video")] = None,
        preset: Preset = None,
        **options: Value,
    ) -> Answer:
        """See what a task would take before it is submitted: result size, time, memory, disk, and whether it fits.

        Nothing is upscaled. Give either file_path, task_id, or width and height, with frames for a video.
        preset takes the parameters that list_presets shows under that name, as submitting would.
        """
        fields = given(preset=preset, **options)
        size = given(width=width, height=height, frames=frames)
        if bool(file_path) + bool(task_id) + bool(size) != 1:
            raise ToolError("Give either file_path, or task_id, or width and height, with frames for a video.")
        if not file_path:
            about = {"task_id": task_of(task_id)} if task_id else size
            return await self._api.post("/api/plan", {**fields, **about}, patient=True)
        with files.open_source(file_path, self._folders) as file:
            return await self._api.upload(file, files.upload_name(file_path), fields, "/api/plan")
