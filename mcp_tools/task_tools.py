"""The tools for tasks: submitting, following, fetching. Names and documented defaults are those of the API document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context
from mcp_types import CallToolResult
from pydantic import Field

from mcp_tools import files, finished, waiting
from mcp_tools.api import Api, segment
from mcp_tools.described import Value, answer, names, with_parameters
from mcp_tools.offering import ADDS, DESTROYS, READS, Answer, FilePath, Offer, Preset, TaskId, given, task_of

Shown = Annotated[CallToolResult, Answer]
# Those that the API document gives defaults for, in its order; all others of the service follow.
OF_PICTURES = ("resolution", "dit_model", "color_correction", "seed")
OF_VIDEOS = ("resolution", "batch_size", "dit_model", "color_correction", "seed")
_SAVED = {
    "type": "object",
    "properties": {"task_id": {"type": "string"}, "path": {"type": "string"}, "bytes": {"type": "integer"}},
    "required": ["task_id", "path", "bytes"],
}


class TaskTools:
    """The tools over one API, for the files in some folders."""

    def __init__(self, api: Api, folders: Sequence[Path]) -> None:
        self._api = api
        self._folders = folders

    def offers(self) -> list[Offer]:
        """All of them."""
        return [
            Offer(_with_all(self.submit_image_task, OF_PICTURES), ADDS, answer("Submitted")),
            Offer(_with_all(self.submit_video_task, OF_VIDEOS), ADDS, answer("Submitted")),
            Offer(self.get_task_status, READS, answer("Task")),
            Offer(self.get_task_position, READS, answer("Position")),
            Offer(self.wait_for_task, READS, answer("Task")),
            Offer(self.get_queue_history, READS, answer("History")),
            Offer(self.cancel_task, DESTROYS, answer("Cancelled")),
            Offer(self.retry_task, ADDS, answer("Retried")),
            Offer(self.download_result, ADDS, _SAVED),
        ]

    async def submit_image_task(self, file_path: FilePath, preset: Preset = None, **options: Value) -> Answer:
        """Submit a picture for upscaling. Answers at once with a task_id; wait_for_task waits for the result.

        preset takes the parameters that list_presets shows under that name.
        """
        return await self._submit(file_path, {"preset": preset, **options})

    async def submit_video_task(self, file_path: FilePath, preset: Preset = None, **options: Value) -> Answer:
        """Submit a video for upscaling. Answers at once with a task_id; wait_for_task waits for the result.

        preset takes the parameters that list_presets shows under that name.
        """
        return await self._submit(file_path, {"preset": preset, **options})

    async def get_task_status(self, task_id: TaskId) -> Shown:
        """Get the state and progress of a task; once it is completed, its result with a small picture of it."""
        return await finished.shown(self._api, await self._api.get(f"/api/status/{segment(task_of(task_id))}"))

    async def get_task_position(self, task_id: TaskId) -> Answer:
        """Get the place of a task in the queue, and how long it will probably wait."""
        return await self._api.get(f"/api/queue/position/{segment(task_of(task_id))}")

    async def wait_for_task(
        self,
        task_id: TaskId,
        context: Context[Any, Any],
        timeout: Annotated[int, Field(ge=0, description="Seconds to wait at most")] = 600,
        poll_interval: Annotated[int, Field(ge=0, description="Seconds between two looks")] = 5,
    ) -> Shown:
        """Wait until a task has ended and answer its final status. Reports progress; may be cancelled."""
        status = await waiting.wait(self._api, task_of(task_id), timeout, poll_interval, context.report_progress)
        return await finished.shown(self._api, status)

    async def get_queue_history(
        self,
        limit: Annotated[
            int, Field(description="How many tasks", json_schema_extra={"minimum": 1, "maximum": 1000})
        ] = 20,
        status: Annotated[
            Literal["completed", "failed", "cancelled", "all"],
            Field(description="Which ones: failed ones say why, and retry_task tries them again"),
        ] = "completed",
    ) -> Answer:
        """Get the finished tasks, newest first."""
        return await self._api.get("/api/queue/history", limit=limit, status=status)

    async def cancel_task(self, task_id: TaskId) -> Answer:
        """Cancel a waiting or running task. What it has done so far is lost."""
        return await self._api.post(f"/api/tasks/{segment(task_of(task_id))}/cancel")

    async def retry_task(self, task_id: TaskId) -> Answer:
        """Run a failed or cancelled task again, as a new one with the same parameters."""
        return await self._api.post(f"/api/tasks/{segment(task_of(task_id))}/retry")

    async def download_result(
        self,
        task_id: TaskId,
        path: Annotated[str, Field(description="Folder, or new file, on the machine where this MCP server runs")],
    ) -> Answer:
        """Save the result of a completed task to a file. Replaces no file."""
        place = await self._api.download(
            f"/api/download/{segment(task_of(task_id))}", lambda name: files.target_path(path, name, self._folders)
        )
        return {"task_id": task_of(task_id), "path": str(place), "bytes": place.stat().st_size}

    async def _submit(self, file_path: str, options: dict[str, Value]) -> Answer:
        with files.open_source(file_path, self._folders) as file:
            return await self._api.upload(file, files.upload_name(file_path), given(**options))


def _with_all(tool: Any, first: Sequence[str]) -> Any:
    others = [name for name in names() if name not in first]
    return with_parameters(tool, [*first, *others], documented=[name for name in first if name != "dit_model"])
