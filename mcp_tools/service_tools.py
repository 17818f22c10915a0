"""The tools for the service: its queue, its GPU, its models, its presets."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import Field

from mcp_tools import pulling
from mcp_tools.api import Api, segment
from mcp_tools.described import answer
from mcp_tools.offering import DESTROYS, FETCHES, READS, SETS, Answer, Offer

ModelName = Annotated[str, Field(description="Model file name, from list_available_models")]


class ServiceTools:
    """The tools over one API."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def offers(self) -> list[Offer]:
        """All of them."""
        return [
            Offer(self.get_queue_status, READS, answer("QueueStatus")),
            Offer(self.get_gpu_status, READS, answer("GpuStatus")),
            Offer(self.list_machines, READS, answer("Cluster")),
            Offer(self.list_available_models, READS, answer("Models")),
            Offer(self.list_presets, READS, answer("Presets")),
            Offer(self.release_gpu_memory, SETS, answer("Offloaded")),
            Offer(self.switch_model, SETS, answer("Switched")),
            Offer(self.pause_queue, SETS, answer("Held")),
            Offer(self.resume_queue, SETS, answer("Held")),
            Offer(self.pull_model, FETCHES, answer("PullAnswer")),
            Offer(self.remove_model, DESTROYS, answer("ModelRemoved")),
        ]

    async def get_queue_status(self) -> Answer:
        """Get the queue: what runs, what waits, how long it will take."""
        return await self._api.get("/api/queue/status")

    async def get_gpu_status(self) -> Answer:
        """Get the GPU: its memory, and which model is loaded."""
        return await self._api.get("/api/gpu/status")

    async def list_machines(self) -> Answer:
        """List the GPUs of the cluster by machine: what each does, and why it does nothing."""
        return await self._api.get("/api/cluster")

    async def list_available_models(self) -> Answer:
        """List the models that are installed, with size, precision and memory needed, and the downloads under way."""
        return await self._api.get("/api/models")

    async def list_presets(self) -> Answer:
        """List the presets: named sets of parameters, which submitting, plan_task and preview take as preset."""
        return await self._api.get("/api/presets")

    async def release_gpu_memory(self) -> Answer:
        """Unload the model and release its memory; while a task runs, once that has ended."""
        return await self._api.post("/api/gpu/offload")

    async def switch_model(
        self,
        model: ModelName,
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
        machine: Annotated[
            str | None, Field(description="Of the cluster, as list_machines names it; left out: the server itself")
        ] = None,
        wait: Annotated[bool, Field(description="Wait until it is there, with progress; else answer at once")] = True,
        timeout: Annotated[
            int, Field(ge=0, description="Seconds to wait at most; the download goes on after that")
        ] = 1800,
    ) -> Answer:
        """Fetch a model to the server, or to a machine, with what it needs (gigabytes). Goes on where it stopped."""
        wanted = {"model": model} | ({"machine": machine} if machine else {})
        started = await self._api.post("/api/models/pull", wanted)
        if not wait or started["status"] == "installed":
            return started
        there = started["pull"].get("machine")
        return await pulling.wait(self._api, str(started["model"]), there, timeout, context.report_progress)

    async def remove_model(
        self,
        model: ModelName,
        force: Annotated[bool, Field(description="Also a file that the server did not fetch itself")] = False,
    ) -> Answer:
        """Delete the file of a model from the server. Refused while it is in use."""
        return await self._api.delete(f"/api/models/{segment(model.strip())}", **({"force": 1} if force else {}))
