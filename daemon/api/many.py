"""`GET /api/tasks/download.zip`: the results of many tasks in one file."""

from __future__ import annotations

import os
import stat
from datetime import datetime
from typing import Any

import bottle

from daemon.api.archive import Archive, Entry, unique_names
from daemon.api.asked import ManyQuery
from daemon.api.bodies import query
from daemon.api.context import Context
from daemon.api.download import content_disposition, result_path
from daemon.api.route import Route
from daemon.errors import RequestError
from daemon.jobs.job import Job, State

MOST = 2000


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def download() -> Any:
        jobs = [context.operations.find(task_id) for task_id in _ids(query(ManyQuery).ids)]
        archive = Archive(_entries(context, jobs))
        name = f"seedvr2-{datetime.now():%Y-%m-%d-%H%M%S}.zip"
        headers = {
            "Content-Type": "application/zip",
            "Content-Disposition": content_disposition(name),
            "Content-Length": str(archive.size),
            "Cache-Control": "no-store",
        }
        # It is read ahead as a file would be, in a thread that may wait for the disk, and holds none of the API's.
        return bottle.HTTPResponse(archive, 200, headers=headers)

    return [Route("GET", "/api/tasks/download.zip", download, "The results of many tasks as one zip file")]


def _ids(text: str | None) -> list[str]:
    ids = list(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))
    if not ids:
        raise RequestError(400, "Say which: ids=3f9a1c07,77de0b12.", detail={"field": "ids"})
    if len(ids) > MOST:
        raise RequestError(400, f"ids takes up to {MOST} tasks, not {len(ids)}.", detail={"field": "ids"})
    return ids


def _entries(context: Context, jobs: list[Job]) -> list[Entry]:
    entries = []
    for job in jobs:
        if job.state is not State.COMPLETED:
            raise RequestError(400, f"Task {job.id} is {job.state}; only a completed one has a result.")
        path = result_path(job, context.config.paths.outputs)
        try:
            status = os.lstat(path)
        except OSError:
            status = None
        if status is None or not stat.S_ISREG(status.st_mode):
            raise RequestError(404, f"The result of task {job.id}, {path.name}, is not there any more.")
        entries.append(Entry(path, path.name, status.st_size, status.st_mtime))
    names = unique_names([entry.name.encode("utf-8", "replace").decode() for entry in entries])
    return [Entry(entry.path, name, entry.size, entry.modified) for entry, name in zip(entries, names, strict=True)]
