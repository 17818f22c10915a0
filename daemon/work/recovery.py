"""Puts things in order at the start: what a crash interrupted goes on, what it left lying about goes away."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from daemon.jobs.job import Job, State
from daemon.store.job_store import JobStore
from daemon.work.publish import WORK, discard_work, resume

log = logging.getLogger(__name__)
# A job that ended the process this often is not tried again.
MAX_STARTS = 2
POISON = "The service ended abruptly twice while it worked on this file, so it is not tried again."


def recover(store: JobStore, outputs: Path, after: Callable[[Job], None]) -> list[Job]:
    """Bring every open job into a state from which it can go on; answers the waiting ones in order."""
    waiting = []
    for job in store.open_jobs():
        if job.state is State.PROCESSING:
            job = _interrupted(store, outputs, job)
        if job.finished:
            after(job)
        else:
            waiting.append(job)
    _clear_work(outputs, {job.id for job in waiting})
    return waiting


def clear_uploads(uploads: Path, store: JobStore) -> None:
    """Remove uploads that never became a job, and those of jobs that were forgotten."""
    if not uploads.is_dir():
        return
    known = {Path(job.draft.source).parent.name for job in store.open_jobs()}
    known |= {Path(job.draft.source).parent.name for job in store.finished_before(float("inf"))}
    for entry in uploads.iterdir():
        if entry.name not in known:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def _interrupted(store: JobStore, outputs: Path, job: Job) -> Job:
    published = resume(store, outputs, job)
    if published is not None:
        log.info("job %s: its finished result was put in place", job.id)
        return published
    if job.starts >= MAX_STARTS:
        log.error("job %s: %s", job.id, POISON)
        return store.save(job.fail(time.time(), POISON))
    log.info("job %s: interrupted by the end of the service; it runs again", job.id)
    discard_work(outputs, job.id)
    return store.save(job.requeue(orderly=False))


def _clear_work(outputs: Path, keep: set[str]) -> None:
    folder = outputs / WORK
    if folder.is_dir():
        for entry in folder.iterdir():
            if entry.name not in keep:
                shutil.rmtree(entry, ignore_errors=True)
