"""`GET /api/source/{id}`: what a task was made from, as long as it is there."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

from daemon.api.context import Context
from daemon.api.download import send
from daemon.api.route import Route
from daemon.errors import RequestError
from daemon.jobs.job import Job

# Somebody else's file must never run as a page of ours, whatever it is called.
POLICY = "default-src 'none'; sandbox"
GONE = "The source of this task is not there any more."


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def source(task_id: str) -> Any:
        path = source_path(context, context.operations.find(task_id))
        if path is None:
            raise RequestError(404, GONE)
        answer = send(path)
        answer.set_header("Content-Security-Policy", POLICY)
        if answer.get_header("Content-Type"):
            answer.set_header("Content-Type", media_type(path.name))
        return answer

    return [Route("GET", "/api/source/<task_id>", source, "The source of a task")]


def source_path(context: Context, job: Job) -> Path | None:
    """Where the source of a job is; None if it is gone, replaced, or not in a folder of ours."""
    path = Path(job.draft.source)
    try:
        resolved = path.resolve(strict=True)
        unchanged = path.is_file() and path.stat().st_size == job.draft.bytes
    except OSError:
        return None
    ours = (context.uploads.resolve(), context.config.paths.inbox.resolve())
    return path if unchanged and any(resolved.is_relative_to(folder) for folder in ours) else None


def media_type(name: str) -> str:
    """The content type of a picture or video by its name; no other type is ever claimed."""
    kind = mimetypes.guess_type(name)[0] or ""
    return kind if kind.startswith(("image/", "video/")) and "svg" not in kind else "application/octet-stream"
