"""Which waiting job is taken next, and whether the running one is to let others go first: `turns.py` with real jobs."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Iterator

from daemon.jobs.job import Job, Progress, State
from daemon.jobs.queue import JobQueue, rank_of
from daemon.jobs.turns import Bid, Choice, Run, Turns, is_short
from daemon.work.estimates import Estimates

# Seconds between two looks at whether others go first: there may be a hundred thousand of them.
LOOK_S = 0.5


class Schedule:
    """Used by the worker's thread.

    Args:
        ready: whether a waiting job may begin.
    """

    def __init__(self, queue: JobQueue, estimates: Estimates, ready: Callable[[Job], bool]) -> None:
        self._queue = queue
        self._estimates = estimates
        self._ready = ready
        self._turns = Turns()
        self._running: Choice | None = None
        self._since, self._segments = 0.0, 0
        self._looked_at, self._found = 0.0, False

    def take(self) -> Job | None:
        """Take the next job out of the queue; None if none can begin."""

        def choose(jobs: Iterable[Job]) -> str:
            self._running = self._turns.choose(self._bids(jobs))
            return self._running.bid.id if self._running else ""

        job = self._queue.take_chosen(choose)
        self._since, self._segments = time.monotonic(), job.segments_done if job else 0
        self._looked_at, self._found = 0.0, False
        return job

    def expected_s(self, job: Job) -> float:
        """Seconds that a job will take."""
        return self._estimates.seconds(job)

    def others_first(self, job: Job, progress: Progress | None) -> bool:
        """Whether another one is to go before the running job, at its next border."""
        if time.monotonic() - self._looked_at >= LOOK_S:
            self._found = self._look(job, progress)
            self._looked_at = time.monotonic()
        return self._found

    def ran(self, job: Job) -> None:
        """The job that was taken is not run any more; `job` is its record now."""
        run, self._running = self._run(job.segments_done), None
        if run is not None:
            self._turns.ran(run)
        if job.finished or job.result is not None:
            self._turns.forget(job.id)

    def _look(self, job: Job, progress: Progress | None) -> bool:
        left_s = progress.eta_s if progress and progress.eta_s is not None else self._estimates.seconds(job)
        # As it would wait.
        waiting = job.requeue(orderly=True)
        mine, run = _bid(waiting, left_s), self._run(progress.segments_done if progress else 0)

        def choose(jobs: Iterable[Job]) -> str:
            bids = heapq.merge([mine], self._bids(jobs), key=lambda bid: (bid.rank, bid.number))
            choice = self._turns.choose(bids, run)
            return choice.bid.id if choice else ""

        return self._queue.chosen(choose) != job.id

    def _run(self, segments_done: int) -> Run | None:
        if self._running is None:
            return None
        return Run(self._running, time.monotonic() - self._since, segments_done - self._segments)

    def _bids(self, jobs: Iterable[Job]) -> Iterator[Bid]:
        return (_bid(job, self._estimates.seconds(job)) for job in jobs if self._ready(job))


def goes_before(job: Job, seconds: float, other: Job, other_s: float) -> bool:
    """Whether a waiting job probably goes before another one that runs or comes before it, as soon as that lets go.

    Args:
        seconds, other_s: that each of them will still take.
    """
    if other.draft.media.kind != "video":
        return False
    rank = rank_of(other.requeue(orderly=True) if other.state is State.PROCESSING else other)
    if rank_of(job) != rank:
        return rank_of(job) < rank
    return is_short(_bid(job, seconds), _bid(other, other_s))


def _bid(job: Job, left_s: float) -> Bid:
    draft = job.draft
    return Bid(job.id, rank_of(job), job.number, left_s, draft.media.kind == "video", draft.model)
