"""One task, followed until it has ended."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio

from rest_client.api import Api, Problem, segment

FINISHED = ("completed", "failed", "cancelled")
MIN_INTERVAL_S = 0.2
ASKED_EVERY_S = 1.0
# The service may restart meanwhile; its tasks survive that.
MAX_SILENCES = 3


async def statuses(api: Api, task_id: str, interval_s: float, until: float = math.inf) -> AsyncIterator[dict[str, Any]]:
    """What `GET /api/status` answers, again and again, until the task has ended. Empty where the server is silent.

    Args:
        until: by `time.monotonic`: the last question is asked then, at the latest.

    Raises:
        Problem: there is no such task, or the API is gone.
    """
    silences = 0
    while True:
        try:
            status = await api.get(f"/api/status/{segment(task_id)}")
            silences = 0
        except Problem as problem:
            silences += 1
            if (problem.status and problem.status != 503) or silences >= MAX_SILENCES:
                raise
            status = {}
        yield status
        if status.get("status") in FINISHED:
            return
        left = until - time.monotonic()
        if left <= 0:
            return
        await anyio.sleep(min(max(interval_s, MIN_INTERVAL_S), left))


async def watched(api: Api, task_id: str, label: str, *, shown: bool) -> dict[str, Any]:
    """What became of a task. While it is `shown`, a line on standard error says how far it is. Raises Problem."""
    status: dict[str, Any] = {}
    async for status in statuses(api, task_id, ASKED_EVERY_S):
        if shown:
            print(f"\r\x1b[2K{label}  {describe(status)}", end="", file=sys.stderr, flush=True)
    if shown:
        print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
    return status


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
