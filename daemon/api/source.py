"""`GET /api/source/{id}`: what a task was made from, as long as it is there."""

from __future__ import annotations

import contextlib
import mimetypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daemon.api.context import Context
from daemon.api.download import send_open
from daemon.api.route import Route
from daemon.errors import RequestError
from daemon.jobs.job import Job
from daemon.store.safe_open import DESK, Held, held
from seedvr2.errors import MediaError

# Somebody else's file must never run as a page of ours, whatever it is called.
POLICY = "default-src 'none'; sandbox"
GONE = "The source of this task is not there any more."


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def source(task_id: str) -> Any:
        job = context.operations.find(task_id)
        with open_source(context, job) as opened:
            if opened is None:
                raise RequestError(404, GONE)
            name = Path(job.draft.source).name
            answer = send_open(os.dup(opened.descriptor), name)
        answer.set_header("Content-Security-Policy", POLICY)
        if answer.get_header("Content-Type"):
            answer.set_header("Content-Type", media_type(name))
        return answer

    return [Route("GET", "/api/source/<task_id>", source, "The source of a task")]


@contextlib.contextmanager
def open_source(context: Context, job: Job) -> Iterator[Held | None]:
    """The source of a job, held open as it was taken; None if it is gone, replaced, or not in a folder of ours."""
    path, paths = Path(job.draft.source), context.config.paths
    root = next((root for root in (context.uploads, paths.inbox) if path.is_relative_to(root)), None)
    with contextlib.ExitStack() as stack:
        opened = None
        if root is not None:
            with contextlib.suppress(OSError, MediaError):
                opened = stack.enter_context(held(root, path, job.draft.fingerprint, paths.state / DESK))
        unchanged = opened is not None and os.fstat(opened.descriptor).st_size == job.draft.bytes
        yield opened if unchanged else None


def media_type(name: str) -> str:
    """The content type of a picture or video by its name; no other type is ever claimed."""
    kind = mimetypes.guess_type(name)[0] or ""
    return kind if kind.startswith(("image/", "video/")) and "svg" not in kind else "application/octet-stream"
