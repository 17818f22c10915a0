"""How a method becomes a tool: its signature is what an assistant sees, its docstring what it reads."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import Field

from mcp_tools.described import Schema

Answer: TypeAlias = dict[str, Any]
Fields: TypeAlias = dict[str, str | int | float | bool]
FilePath = Annotated[str, Field(description="Path of the file on the machine where this MCP server runs")]
Preset = Annotated[
    str | None, Field(description="Name of a preset of the service, from list_presets, for all that is left out")
]
TaskId = Annotated[str, Field(description="Task id, as submit_image_task or submit_video_task answered it")]

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
SETS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
FETCHES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
DESTROYS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


@dataclass(frozen=True, slots=True)
class Offer:
    """A method, what may come of calling it, and the shape of its answer; None where that is no JSON."""

    method: Callable[..., Awaitable[Any]]
    hints: ToolAnnotations
    answer: Schema | None

    def tool(self) -> Tool:
        """The tool, which takes the arguments of its signature and no others."""
        name = self.method.__name__
        made = Tool.from_function(
            self.method,
            title=name.replace("_", " ").capitalize().replace("gpu", "GPU"),
            annotations=self.hints,
            structured_output=None if self.answer else False,
        )
        made.parameters["additionalProperties"] = False
        if self.answer:
            made.fn_metadata.output_schema = self.answer
        return made


def task_of(task_id: str) -> str:
    """The id in what an assistant passes on: the id itself, or the whole JSON that a submit answered."""
    text = task_id.strip()
    if text.startswith("{"):
        with suppress(ValueError):
            submitted = json.loads(text)
            text = str(submitted.get("task_id") or submitted.get("id") or "")
    if not text:
        raise ToolError("Give the id of a task, as submit_image_task or submit_video_task answered it.")
    return text


def given(**values: str | int | float | bool | None) -> Fields:
    """The values that an assistant named; the others are left to the defaults of the service."""
    # Some hosts send every number as one with a point.
    whole = {name: int(value) for name, value in values.items() if isinstance(value, float) and value.is_integer()}
    return {name: value for name, value in (values | whole).items() if value is not None}
