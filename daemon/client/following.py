"""Tasks as they go on: waited for, or told as they end."""

from __future__ import annotations

import argparse
import sys

from daemon.client.output import Output, state, told
from rest_client.api import Api, segment
from rest_client.tasks import FINISHED, watched

_LONGEST_HISTORY = 1000


async def wait_for(api: Api, task_id: str, output: Output) -> bool:
    """Wait until a task has ended, with a line that says how far it is where a person watches; then print it."""
    task = await watched(api, task_id, task_id, shown=sys.stderr.isatty() and not output.as_json)
    warnings = [f"  {warning}" for warning in task.get("warnings", ())]
    output.answer(task, f"{task['id']}  {task['original_filename']}  {state(task)}", *warnings)
    return bool(task["status"] == "completed")


async def logs(api: Api, arguments: argparse.Namespace, output: Output) -> bool:
    """What became of a task, or of the last ones; with `--follow`, go on with what ends, until stopped."""
    if arguments.task:
        task = await api.get(f"/api/status/{segment(arguments.task)}")
        output.answer(task, *told(task))
        if arguments.follow and task["status"] not in FINISHED:
            await _follow(api, f"/api/tasks/{segment(arguments.task)}/events", output, task["status"])
        return True
    lines = min(max(arguments.lines, 0), _LONGEST_HISTORY)
    history = (await api.get("/api/queue/history", status="all", limit=lines))["history"] if lines else []
    for task in reversed(history):
        output.answer(task, *told(task))
    while arguments.follow:
        # The server ends a stream after an hour.
        await _follow(api, "/api/events", output)
    return True


async def _follow(api: Api, path: str, output: Output, last: str = "") -> None:
    """Tell each change of a task's state; progress is none."""
    known: dict[str, str] = {}
    async for kind, task in api.events(path):
        # Others are of progress, and of what is no task.
        if kind == "state" and known.get(task["id"], last) != task["status"]:
            known[task["id"]] = task["status"]
            output.answer(task, *told(task))
