"""Several jobs at a time, each in a thread of its own that does nothing but wait for the places that work on it.

Which unit is made where is decided there; here it is only seen to that there is always enough to choose from. Jobs
begin in the order of the queue; videos never take the room of pictures, nor jobs of a lower priority that of others.
`Single` is in place of all that where one job runs at a time.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import TypeAlias

from daemon.jobs.job import Job, Progress, State
from daemon.jobs.queue import JobQueue, Rank, rank_of
from daemon.work.estimates import Estimates
from daemon.work.running import RunningJobs

# The record of a job as it is to be, or what kept it from being one.
Ended: TypeAlias = Job | Exception


class CrowdSchedule:
    """Which job begins next; in place of `Schedule`, whose decisions are made for each unit here.

    Args:
        capacity: how many units can be made at a time.
    """

    def __init__(
        self,
        queue: JobQueue,
        estimates: Estimates,
        ready: Callable[[Job], bool],
        capacity: Callable[[], int],
        running: RunningJobs,
    ) -> None:
        self._queue = queue
        self._estimates = estimates
        self._ready = ready
        self._capacity = capacity
        self._running = running

    def take(self) -> Job | None:
        """Take the next job out of the queue; None if none can begin now."""
        capacity = self._capacity()
        return self._queue.take_chosen(lambda jobs: self._choose(jobs, capacity)) if capacity else None

    def expected_s(self, job: Job) -> float:
        """Seconds that a job will take."""
        return self._estimates.seconds(job)

    def others_first(self, _job: Job, _progress: Progress | None) -> bool:
        """Never: who goes first is decided for each unit."""
        return False

    def ran(self, _job: Job) -> None:
        """The job is not run any more."""

    def _choose(self, jobs: Iterable[Job], capacity: int) -> str:
        open_jobs = [(_is_video(job), _rank(job)) for job, _ in self._running.all]
        for job in jobs:
            rank = rank_of(job)
            # Those that would go first, or in turn with it.
            ahead = Counter(video for video, other in open_jobs if other <= rank)
            if ahead[True] > capacity and ahead[False] > capacity:
                return ""
            if ahead[_is_video(job)] <= capacity and self._ready(job):
                return job.id
        return ""


class Single:
    """One job at a time, in the thread that begins it."""

    several = False

    def __init__(self) -> None:
        self._ended: tuple[Job, Ended] | None = None

    @property
    def busy(self) -> bool:
        """Whether there is a job whose end has not been looked at."""
        return self.ended

    @property
    def ended(self) -> bool:
        """As `busy`: a job has ended when the thread goes on."""
        return self._ended is not None

    def begin(self, job: Job, run: Callable[[Job], Ended]) -> None:
        """Run a job to its end."""
        self._ended = job, run(job)

    def next_ended(self) -> tuple[Job, Ended] | None:
        """The job that was run, and how it ended; None if there is none."""
        ended, self._ended = self._ended, None
        return ended


class Crowd:
    """The threads of the jobs that run; in place of `Single`.

    Args:
        on_end: called in the thread of a job at its end.
    """

    several = True

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._ended: deque[tuple[Job, Ended]] = deque()
        self._threads: dict[str, threading.Thread] = {}

    @property
    def busy(self) -> bool:
        """Whether there is a job that runs, or whose end has not been looked at."""
        return bool(self._threads or self._ended)

    @property
    def ended(self) -> bool:
        """Whether there is a job whose end has not been looked at."""
        return bool(self._ended)

    def begin(self, job: Job, run: Callable[[Job], Ended]) -> None:
        """Run a job in a thread of its own."""

        def live() -> None:
            self._ended.append((job, run(job)))
            self._on_end()

        thread = threading.Thread(target=live, name=f"job {job.id}", daemon=True)
        self._threads[job.id] = thread
        thread.start()

    def next_ended(self) -> tuple[Job, Ended] | None:
        """A job whose thread has ended, and how it did; None if there is none."""
        if not self._ended:
            return None
        job, ended = self._ended.popleft()
        self._threads.pop(job.id).join()
        return job, ended


def _is_video(job: Job) -> bool:
    return job.draft.media.kind == "video"


def _rank(job: Job) -> Rank:
    """As it would wait."""
    return rank_of(job.requeue(orderly=True) if job.state is State.PROCESSING else job)
