"""`wait_for_task`: asks again and again until a task has ended, and tells the host how far it is."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError

from mcp_tools.api import Api
from rest_client.tasks import FINISHED, describe, statuses

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
    steps, status = Steps(), dict[str, Any]()
    async for status in statuses(api, task_id, interval_s, deadline):
        if status.get("status") in FINISHED:
            await report(100.0, 100.0, str(status["status"]))
            return status
        if status:
            await report(steps.next(int(status.get("progress") or 0)), 100.0, describe(status))
    raise ToolError(
        f"Task {task_id} has not ended after {timeout_s:g} s ({describe(status)}). "
        "It goes on; call wait_for_task again to keep waiting."
    )
