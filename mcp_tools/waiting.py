"""`wait_for_task`: asks again and again until a task has ended, and tells the host how far it is."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from mcp.server.mcpserver.exceptions import ToolError

from mcp_tools.api import Api, Problem, segment

FINISHED = ("completed", "failed", "cancelled")
MIN_INTERVAL_S = 0.2
# The service may restart meanwhile; its tasks survive that.
MAX_SILENCES = 3

Report = Callable[[float, float, str], Awaitable[None]]
"""Takes the progress, its total, and what is going on."""


class Steps:
    """Turns percentages into numbers that grow with each report, as the protocol demands.

    A report without growth is none, and a host that hears nothing gives up. So n reports at the same percentage p
    become p + n/(n+1): always more, never as much as p + 1.
    """

    def __init__(self) -> None:
        self._percent = -1
        self._times = 0

    def next(self, percent: int) -> float:
        """The number to report now."""
        percent = min(percent, 99)
        self._times = self._times + 1 if percent <= self._percent else 0
        self._percent = max(percent, self._percent)
        return self._percent + self._times / (self._times + 1)


async def wait(api: Api, task_id: str, timeout_s: float, interval_s: float, report: Report) -> dict[str, Any]:
    """The status of the task once it has ended, in whatever way.

    Raises:
        ToolError: there is no such task, the API is gone, or the time is over.
    """
    deadline = time.monotonic() + timeout_s
    steps, silences = Steps(), 0
    while True:
        try:
            status = await api.get(f"/api/status/{segment(task_id)}")
            silences = 0
        except Problem as problem:
            silences += 1
            if (problem.status and problem.status != 503) or silences >= MAX_SILENCES:
                raise
            status = {}
        if status.get("status") in FINISHED:
            await report(100.0, 100.0, str(status["status"]))
            return status
        if status:
            await report(steps.next(int(status.get("progress") or 0)), 100.0, describe(status))
        left = deadline - time.monotonic()
        if left <= 0:
            raise ToolError(
                f"Task {task_id} has not ended after {timeout_s:g} s ({describe(status)}). "
                "It goes on; call wait_for_task again to keep waiting."
            )
        await anyio.sleep(min(max(interval_s, MIN_INTERVAL_S), left))


def describe(status: dict[str, Any]) -> str:
    """What a task is doing: `restoring, 40 %, 12 of 30 frames, 20 s left`."""
    if not status:
        return "the server is silent"
    if status.get("status") != "processing":
        return f"{status.get('status')}, number {status.get('queue_position')} in the queue"
    parts = [str(status.get("stage") or "starting"), f"{status.get('progress', 0)} %"]
    if status.get("frames_total"):
        parts.append(f"{status.get('frames_done', 0)} of {status['frames_total']} frames")
    if status.get("eta_s") is not None:
        parts.append(f"{status['eta_s']:.0f} s left")
    return ", ".join(parts)
