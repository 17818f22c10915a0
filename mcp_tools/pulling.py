"""`pull_model`: asks again and again until a download has ended, and tells the host how far it is."""

from __future__ import annotations

import time
from typing import Any

import anyio
from mcp.server.mcpserver.exceptions import ToolError

from mcp_tools.api import Api, Problem
from mcp_tools.waiting import Report, Steps
from rest_client.tasks import ASKED_EVERY_S, MAX_SILENCES


async def wait(api: Api, model: str, machine: str | None, timeout_s: float, report: Report) -> dict[str, Any]:
    """The download once it is done.

    Args:
        machine: of the cluster, where it goes to; None: that of the server.

    Raises:
        ToolError: it failed or was cancelled, the API is gone, or the time is over.
    """
    deadline = time.monotonic() + timeout_s
    steps, silences = Steps(), 0
    while True:
        try:
            pulls = (await api.get("/api/models/pull"))["pulls"]
            silences = 0
        except Problem as problem:
            silences += 1
            if (problem.status and problem.status != 503) or silences >= MAX_SILENCES:
                raise
            pulls = []
        pull = next((pull for pull in pulls if (pull["model"], pull.get("machine")) == (model, machine)), None)
        if pull is not None and pull["state"] == "done":
            await report(100.0, 100.0, "done")
            return {"status": "installed", "model": model}
        if pull is not None and pull["state"] in ("failed", "cancelled"):
            raise ToolError(pull["error"] or f"The download of {model} was cancelled.")
        if pull is not None:
            await report(steps.next(int(pull["percent"])), 100.0, describe(pull))
        elif silences == 0:
            raise ToolError(f"The server does not know of a download of {model} any more; call pull_model again.")
        left = deadline - time.monotonic()
        if left <= 0:
            raise ToolError(
                f"{model} is not there after {timeout_s:g} s. The download goes on; call pull_model again to wait on."
            )
        await anyio.sleep(min(ASKED_EVERY_S, left))


def describe(pull: dict[str, Any]) -> str:
    """What a download is doing: `fetching ema_vae_fp16.safetensors, 40 %`."""
    if not pull["file"]:
        return "waiting for another download"
    return f"{pull['state']} {pull['file']}, {pull['percent']} %"
