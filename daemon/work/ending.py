"""The end of a job, step by step: record it, put its result in place. Each step can be refused, and tried again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from daemon.jobs.job import Job, State
from daemon.store.job_store import JobStore
from daemon.work.publish import Publisher
from daemon.work.work_folder import WorkFolder

log = logging.getLogger(__name__)
CANCELLED = "Cancelled on request."
# A job over which the process ended abruptly this often, without getting any further, is not tried again.
MAX_STARTS = 5
POISON = f"The service ended abruptly {MAX_STARTS} times while it worked on this file, so it is not tried again."


class Step(Protocol):
    """What is left to do for a job; `job` is its record as far as it is known."""

    @property
    def job(self) -> Job:
        """The job it is about."""

    def advance(self, cancelled: Callable[[], bool]) -> Job:
        """Do it; answers the record at the end of it.

        Raises:
            OSError: the disk refuses now; the same call can be made again.
        """


class Ending:
    """What is left to do for a job that the engine is done with.

    Args:
        job: its record as it is to be: with a result that is to be published, or in a state that is to be recorded.
    """

    def __init__(self, job: Job, store: JobStore, publisher: Publisher, work: WorkFolder) -> None:
        self.job = job
        self._store = store
        self._publisher = publisher
        self._work = work

    def advance(self, cancelled: Callable[[], bool]) -> Job:
        """See `Step`."""
        if cancelled() and self.job.state is State.QUEUED:
            self.job = self.job.cancel(time.time(), CANCELLED)
        if self.job.result is None or self.job.finished:
            _tidy(self._work, self.job)
            return self._store.save(self.job)
        # After a failed attempt the record may be further than the job in hand.
        stored = self._store.get(self.job.id)
        if stored is not None and stored.result is not None:
            self.job = stored
        if cancelled() and not self._publisher.is_placed(self.job):
            self.job = self.job.cancel(time.time(), CANCELLED)
            return self.advance(cancelled)
        self.job = self._store.save(self.job)
        return self._publisher.publish(self.job)


class Resumption:
    """What is left to do for a job that was running when the process ended."""

    def __init__(self, job: Job, store: JobStore, publisher: Publisher, work: WorkFolder) -> None:
        self.job = job
        self._store = store
        self._publisher = publisher
        self._work = work

    def advance(self, cancelled: Callable[[], bool]) -> Job:
        """See `Step`. A whole result is put in place; otherwise the job waits again, or fails if it always ends so."""
        self.job = self._store.get(self.job.id) or self.job
        if cancelled() and not self._publisher.is_placed(self.job):
            return self._recorded(self.job.cancel(time.time(), CANCELLED))
        published = self._publisher.resume(self.job)
        if published is not None:
            log.info("job %s: its finished result was put in place", self.job.id)
            return published
        queued = self.job.requeue(orderly=False, reached=self._work.reached(self.job.id))
        if queued.starts >= MAX_STARTS:
            log.error("job %s: %s", self.job.id, POISON)
            return self._recorded(self.job.fail(time.time(), POISON))
        log.info("job %s: interrupted by the end of the service; it runs again", self.job.id)
        return self._recorded(queued)

    def _recorded(self, job: Job) -> Job:
        # The note of how far it came is only needed until the record says so.
        job = self._store.save(job)
        _tidy(self._work, job)
        return job


def _tidy(work: WorkFolder, job: Job) -> None:
    """Remove what the next start of a job has no use for."""
    if job.state is State.QUEUED:
        work.clear(job.id)
    elif job.state is State.FAILED:
        work.keep(job.id)
    else:
        work.discard(job.id)
