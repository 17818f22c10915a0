"""Puts things in order at the start: what a crash interrupted goes on, what it left lying about goes away.

Nothing that one job's record or files do keeps the service from starting: what cannot be done now is done later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from daemon.jobs.job import Job, State
from daemon.store.job_store import JobStore
from daemon.work.ending import Ending, Resumption, Step
from daemon.work.publish import Publisher
from daemon.work.work_folder import WorkFolder

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovered:
    """What a start found: jobs that wait, jobs that have ended and are to be settled, and what is left for later."""

    waiting: list[Job] = field(default_factory=list)
    ended: list[Job] = field(default_factory=list)
    left: list[Step] = field(default_factory=list)

    def sort(self, job: Job) -> None:
        """Put a job where it belongs."""
        (self.ended if job.finished else self.waiting).append(job)


class Recovery:
    """Takes up the open jobs, once, before the worker starts."""

    def __init__(self, store: JobStore, publisher: Publisher, work: WorkFolder, missing: Callable[[], str]) -> None:
        """`missing` says why the disk of the results is not there, or nothing."""
        self._store = store
        self._publisher = publisher
        self._work = work
        self._missing = missing

    def run(self) -> Recovered:
        """Bring every open job into a state from which it can go on."""
        found = Recovered()
        for job in self._store.open_jobs():
            try:
                self._take_up(job, found)
            except Exception:
                # Whatever is wrong with this one, the others are not to blame.
                log.exception("job %s: it cannot be taken up", job.id)
                failed = job.fail(time.time(), "Its record or its files are damaged; the log says more.")
                found.left.append(Ending(failed, self._store, self._publisher, self._work))
        self._tidy(found)
        return found

    def _take_up(self, job: Job, found: Recovered) -> None:
        if job.state is not State.PROCESSING:
            found.sort(job)
            return
        step = Resumption(job, self._store, self._publisher, self._work)
        if self._missing():
            found.left.append(step)
            return
        try:
            found.sort(step.advance(lambda: False))
        except OSError as error:
            log.error("job %s: it cannot be brought to its end yet: %s", job.id, error)
            found.left.append(step)

    def _tidy(self, found: Recovered) -> None:
        if self._missing():
            return
        keep = {job.id for job in found.waiting} | {step.job.id for step in found.left}
        keep |= {job.draft.retry_of for job in found.waiting}
        try:
            self._work.tidy(keep, self._failed)
        except OSError as error:
            log.error("%s cannot be tidied: %s", self._work.root, error)

    def _failed(self, job_id: str) -> bool:
        job = self._store.get(job_id)
        return job is not None and job.state is State.FAILED
