"""The tools, one method each: its signature is what an assistant sees, its docstring what it reads.

Names, parameters and defaults of the first ten are those of the API document.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, TypeAlias

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ImageContent, TextContent, ToolAnnotations
from pydantic import Field

from mcp_tools import files, pulling, waiting
from mcp_tools.api import Api, segment
from mcp_tools.settings import Settings

Answer: TypeAlias = dict[str, Any]
Fields: TypeAlias = dict[str, str | int | float]
ColorCorrection = Annotated[
    str, Field(description="How the source's colours are kept: lab, wavelet, wavelet_adaptive, hsv, adain or none")
]
FilePath = Annotated[str, Field(description="Path of the file on the machine where this MCP server runs")]
Model = Annotated[
    str | None, Field(description="Model file name, from list_available_models; null: the server's default")
]
Resolution = Annotated[int, Field(description="Short edge of the result, in pixels")]
Scale = Annotated[
    float | None, Field(description="Short edge as a multiple of the source's, instead of resolution; at least 1")
]
LongEdge = Annotated[int | None, Field(description="Long edge of the result, in pixels, instead of resolution")]
FitWidth = Annotated[int | None, Field(description="Width in pixels that the result never exceeds")]
FitHeight = Annotated[int | None, Field(description="Height in pixels that the result never exceeds")]
Strength = Annotated[
    float | None, Field(description="How much of the restoration is taken, 0 to 1; 0: the plain resize; null: default")
]
Softness = Annotated[
    float | None, Field(description="How much softer the model sees the source, 0 to 1; null: default")
]
Profile = Annotated[
    str | None,
    Field(
        description="What the video is for: auto, web (H.264), quality (HEVC, 10 bits), archive (FFV1, lossless) or "
        "edit (ProRes); null: default"
    ),
]
Seed = Annotated[int, Field(description="Seed of the noise: the same seed gives the same result")]
TaskId = Annotated[str, Field(description="Task id, as submit_image_task or submit_video_task answered it")]

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
SETS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
FETCHES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
DESTROYS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


class Tools:
    """The tools over one API."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self._api = api
        self._folders = settings.folders

    def register(self, server: MCPServer[Any]) -> None:
        """Offer all tools."""
        offered: dict[Callable[..., Any], ToolAnnotations] = {
            self.get_queue_status: READS,
            self.get_gpu_status: READS,
            self.list_available_models: READS,
            self.submit_image_task: ADDS,
            self.submit_video_task: ADDS,
            self.get_task_status: READS,
            self.get_task_position: READS,
            self.wait_for_task: READS,
            self.get_queue_history: READS,
            self.release_gpu_memory: SETS,
            self.cancel_task: DESTROYS,
            self.download_result: ADDS,
            self.switch_model: SETS,
            self.pause_queue: SETS,
            self.resume_queue: SETS,
            self.pull_model: FETCHES,
            self.remove_model: DESTROYS,
        }
        for tool, hints in offered.items():
            server.add_tool(tool, title=_title(tool.__name__), annotations=hints)
        # An image has no place in a structured answer.
        server.add_tool(self.preview, title="Preview", annotations=READS, structured_output=False)

    async def get_queue_status(self) -> Answer:
        """Get the queue: what runs, what waits, how long it will take."""
        return await self._api.get("/api/queue/status")

    async def get_gpu_status(self) -> Answer:
        """Get the GPU: its memory, and which model is loaded."""
        return await self._api.get("/api/gpu/status")

    async def list_available_models(self) -> Answer:
        """List the models that are installed, with size, precision and memory needed, and the downloads under way."""
        return await self._api.get("/api/models")

    async def submit_image_task(
        self,
        file_path: FilePath,
        resolution: Resolution = 1080,
        dit_model: Model = None,
        color_correction: ColorCorrection = "lab",
        seed: Seed = 42,
        scale: Scale = None,
        strength: Strength = None,
        softness: Softness = None,
        long_edge: LongEdge = None,
        fit_width: FitWidth = None,
        fit_height: FitHeight = None,
    ) -> Answer:
        """Submit a picture for upscaling. Answers at once with a task_id; wait_for_task waits for the result."""
        fields: Fields = {"resolution": resolution, "color_correction": color_correction, "seed": seed}
        fields |= _given(scale=scale, strength=strength, softness=softness, long_edge=long_edge)
        fields |= _given(fit_width=fit_width, fit_height=fit_height)
        return await self._submit(file_path, dit_model, fields)

    async def submit_video_task(
        self,
        file_path: FilePath,
        resolution: Resolution = 1080,
        batch_size: Annotated[int, Field(description="Frames restored together; 4n+1: 1, 5, 9, 13…")] = 5,
        dit_model: Model = None,
        color_correction: ColorCorrection = "lab",
        seed: Seed = 42,
        scale: Scale = None,
        strength: Strength = None,
        softness: Softness = None,
        profile: Profile = None,
        long_edge: LongEdge = None,
        fit_width: FitWidth = None,
        fit_height: FitHeight = None,
    ) -> Answer:
        """Submit a video for upscaling. Answers at once with a task_id; wait_for_task waits for the result."""
        fields: Fields = {
            "resolution": resolution, "batch_size": batch_size, "color_correction": color_correction, "seed": seed,
        }  # fmt: skip
        fields |= _given(scale=scale, strength=strength, softness=softness, long_edge=long_edge)
        fields |= _given(fit_width=fit_width, fit_height=fit_height, profile=profile)
        return await self._submit(file_path, dit_model, fields)

    async def get_task_status(self, task_id: TaskId) -> Answer:
        """Get the state and progress of a task, and its result once it is completed."""
        return await self._api.get(f"/api/status/{segment(task_of(task_id))}")

    async def get_task_position(self, task_id: TaskId) -> Answer:
        """Get the place of a task in the queue, and how long it will probably wait."""
        return await self._api.get(f"/api/queue/position/{segment(task_of(task_id))}")

    async def wait_for_task(
        self,
        task_id: TaskId,
        context: Context[Any, Any],
        timeout: Annotated[int, Field(description="Seconds to wait at most")] = 600,
        poll_interval: Annotated[int, Field(description="Seconds between two looks")] = 5,
    ) -> Answer:
        """Wait until a task has ended and answer its final status. Reports progress; may be cancelled."""
        return await waiting.wait(self._api, task_of(task_id), timeout, poll_interval, context.report_progress)

    async def get_queue_history(
        self, limit: Annotated[int, Field(description="How many tasks, 1 to 1000")] = 20
    ) -> Answer:
        """Get the completed tasks, newest first."""
        return await self._api.get("/api/queue/history", limit=limit)

    async def release_gpu_memory(self) -> Answer:
        """Unload the model and release its memory; while a task runs, once that has ended."""
        return await self._api.post("/api/gpu/offload")

    async def cancel_task(self, task_id: TaskId) -> Answer:
        """Cancel a waiting or running task. What it has done so far is lost."""
        return await self._api.post(f"/api/tasks/{segment(task_of(task_id))}/cancel")

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

    async def switch_model(
        self,
        model: Annotated[str, Field(description="Model file name, from list_available_models")],
        wait: Annotated[bool, Field(description="Wait for a running task instead of refusing")] = False,
    ) -> Answer:
        """Load a model; answers when it is ready."""
        return await self._api.post("/api/models/switch", {"model": model, "wait": wait}, patient=True)

    async def pause_queue(
        self,
        now: Annotated[
            bool, Field(description="Stop the running task within seconds, instead of at the end of a video's segment")
        ] = False,
    ) -> Answer:
        """Begin no further task until resume_queue, also after a restart. Nothing is lost: what runs goes on later."""
        return await self._api.post("/api/queue/pause", {"now": now})

    async def resume_queue(self) -> Answer:
        """Let a paused queue go on. Outside of its configured hours it stays paused, and says until when."""
        return await self._api.post("/api/queue/resume")

    async def pull_model(
        self,
        model: Annotated[str, Field(description="File name of a model, or short: 3b, 7b-sharp, 3b-q4")],
        context: Context[Any, Any],
        wait: Annotated[bool, Field(description="Wait until it is there, with progress; else answer at once")] = True,
        timeout: Annotated[int, Field(description="Seconds to wait at most; the download goes on after that")] = 1800,
    ) -> Answer:
        """Fetch a model to the server, with what it needs (gigabytes). Goes on where an earlier try stopped."""
        started = await self._api.post("/api/models/pull", {"model": model})
        if not wait or started["status"] == "installed":
            return started
        return await pulling.wait(self._api, str(started["model"]), timeout, context.report_progress)

    async def remove_model(
        self,
        model: Annotated[str, Field(description="Model file name, from list_available_models")],
        force: Annotated[bool, Field(description="Also a file that the server did not fetch itself")] = False,
    ) -> Answer:
        """Delete the file of a model from the server. Refused while it is in use."""
        return await self._api.delete(f"/api/models/{segment(model.strip())}", **({"force": 1} if force else {}))

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
        resolution: Annotated[
            int | None, Field(description="Short edge of the result, in pixels; null: default")
        ] = None,
        scale: Scale = None,
        softness: Softness = None,
        dit_model: Model = None,
    ) -> list[TextContent | ImageContent]:
        """See in seconds what a task would look like, before or while it runs: one image of several strengths.

        Answers a sheet of images side by side, and what they show. Give either file_path or task_id.
        """
        given = _given(at=at, resolution=resolution, scale=scale, softness=softness)
        fields: Fields = {**given, "crop": crop}
        if strengths is not None:
            fields["strengths"] = ",".join(f"{strength:g}" for strength in strengths)
        if dit_model:
            fields["dit_model"] = dit_model
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

    async def _submit(self, file_path: str, model: str | None, fields: Fields) -> Answer:
        if model:
            fields["dit_model"] = model
        with files.open_source(file_path, self._folders) as file:
            return await self._api.upload(file, files.upload_name(file_path), fields)


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


def _given(**values: float | str | None) -> Fields:
    """The values that an assistant named; the others are left to the defaults of the service."""
    return {name: value for name, value in values.items() if value is not None}


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize().replace("gpu", "GPU")
