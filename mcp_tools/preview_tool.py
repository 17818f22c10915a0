"""The tool that shows what a task would look like."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ImageContent, TextContent
from pydantic import Field

from mcp_tools import files
from mcp_tools.api import Api
from mcp_tools.described import Value, with_parameters
from mcp_tools.offering import READS, Fields, Offer, Preset, given, task_of

# What a look depends on; the strengths are shown side by side.
_OPTIONS = (
    "resolution", "scale", "long_edge", "max_resolution", "fit_width", "fit_height", "softness", "seed",
    "color_correction", "input_noise_scale", "latent_noise_scale", "deinterlace", "dit_model",
)  # fmt: skip


class PreviewTool:
    """The tool over one API, for the files in some folders."""

    def __init__(self, api: Api, folders: Sequence[Path]) -> None:
        self._api = api
        self._folders = folders

    def offers(self) -> list[Offer]:
        """The one."""
        # An image has no place in a structured answer.
        return [Offer(with_parameters(self.preview, _OPTIONS), READS, None)]

    async def preview(
        self,
        file_path: Annotated[str, Field(description="A picture or video where this MCP server runs")] = "",
        task_id: Annotated[str, Field(description="Or a task, whose source is shown")] = "",
        at: Annotated[float | None, Field(description="Seconds into a video; null: its middle")] = None,
        crop: Annotated[
            str, Field(description="auto, whole, or x,y,width,height in pixels of the source; auto: the best part")
        ] = "auto",
        strengths: Annotated[
            list[float] | None, Field(description="Strengths to show beside the plain resize; null: 0.25 to 1")
        ] = None,
        preset: Preset = None,
        **options: Value,
    ) -> list[TextContent | ImageContent]:
        """See in seconds what a task would look like, before or while it runs: one image of several strengths.

        Answers a sheet of images side by side, and what they show. Give either file_path or task_id.
        preset takes the parameters that list_presets shows under that name, as submitting would.
        """
        fields: Fields = {**given(at=at, preset=preset, **options), "crop": crop}
        if strengths is not None:
            fields["strengths"] = ",".join(f"{strength:g}" for strength in strengths)
        if bool(file_path) is bool(task_id):
            raise ToolError("Give either the file_path of a picture or video, or the task_id of a task.")
        if file_path:
            with files.open_source(file_path, self._folders) as file:
                shown = await self._api.upload(file, files.upload_name(file_path), fields, "/api/preview")
        else:
            shown = await self._api.post("/api/preview", {**fields, "task_id": task_of(task_id)}, patient=True)
        sheet = b64encode(await self._api.fetch(shown["sheet"])).decode("ascii")
        return [
            TextContent(type="text", text=json.dumps(shown)),
            ImageContent(type="image", data=sheet, mime_type="image/png"),
        ]
