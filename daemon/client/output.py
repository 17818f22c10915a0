"""What the commands print: words for people, or the API's JSON, one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rest_client.tasks import describe

_HEAD = ("ID", "FILE", "STATE")


class Output:
    """Prints at once, so that whoever reads through a pipe sees it as it happens."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def answer(self, body: dict[str, Any], *lines: str) -> None:
        """An answer of the API, and how it is said to a person."""
        if self.as_json:
            print(json.dumps(body, ensure_ascii=False), flush=True)
        else:
            for line in lines:
                print(line, flush=True)

    def table(self, tasks: Iterable[dict[str, Any]], more: int = 0) -> None:
        """Tasks, a line each; `more` were left out."""
        rows = [_HEAD, *((_id(task), str(task.get("original_filename", "")), state(task)) for task in tasks)]
        for line in _aligned(rows):
            print(line, flush=True)
        if more:
            print(f"and {more} more", flush=True)


def state(task: dict[str, Any]) -> str:
    """What a task does or came to: `restoring, 40 %`, `completed: /…/clip.mp4 in 25 s`, `failed: …`."""
    status = str(task.get("status"))
    if status == "completed":
        took = f" in {task['process_time']:g} s" if task.get("process_time") is not None else ""
        return f"completed: {task.get('output_path', '')}{took}"
    if status in ("failed", "cancelled"):
        return f"{status}: {task['error']}" if task.get("error") else status
    waits = f": {task['waiting_for']}" if task.get("waiting_for") else ""
    return describe(task) + waits


def told(task: dict[str, Any]) -> list[str]:
    """A task as lines of a log: when, which, what, and its warnings."""
    when = task.get("completed_at") or task.get("started_at") or task.get("created_at") or ""
    line = f"{str(when).partition('.')[0].replace('T', ' ')}  {_id(task)}  {task.get('original_filename', '')}  "
    return [line + state(task), *(f"    {warning}" for warning in task.get("warnings", ()))]


def _id(task: dict[str, Any]) -> str:
    return str(task.get("id") or task.get("task_id"))


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        yield "  ".join((*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]))
