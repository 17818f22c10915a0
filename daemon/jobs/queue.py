"""The order of the waiting jobs: high before normal before low, and within a priority first come, first served.

A job over which the process ended abruptly comes after all others: if it was at fault, they are done by then.

Whoever takes a job out of the queue owns it, so that a cancel and a start can never both have it.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Iterable

from daemon.jobs.job import Job
from daemon.jobs.parameters import PRIORITIES

Rank = tuple[bool, int]
Key = tuple[bool, int, int]


def rank_of(job: Job) -> Rank:
    """Jobs of a lower rank go first, whatever came first."""
    return job.starts > 0, -PRIORITIES.index(job.draft.priority)


class JobQueue:
    """The waiting jobs, in order. Thread-safe."""

    def __init__(self, jobs: Iterable[Job] = ()) -> None:
        self._lock = threading.Lock()
        self._order: list[Key] = []
        self._jobs: dict[Key, Job] = {}
        self._keys: dict[str, Key] = {}
        for job in jobs:
            self.put(job)

    def __len__(self) -> int:
        return len(self._order)

    def put(self, job: Job) -> int:
        """Queue a job; answers its position, from 1."""
        key = (*rank_of(job), job.number)
        with self._lock:
            index = bisect.bisect_left(self._order, key)
            if key not in self._jobs:
                self._order.insert(index, key)
            self._jobs[key] = job
            self._keys[job.id] = key
            return index + 1

    def take_chosen(self, choose: Callable[[Iterable[Job]], str]) -> Job | None:
        """Take the job out whose id `choose` answers, given the waiting ones in order; None if it is none of them."""
        with self._lock:
            key = self._keys.get(choose(self._jobs[each] for each in self._order))
            return self._take(key) if key is not None else None

    def chosen(self, choose: Callable[[Iterable[Job]], str]) -> str:
        """What `choose` answers, given the waiting jobs in order; they stay."""
        with self._lock:
            return choose(self._jobs[each] for each in self._order)

    def take(self, job_id: str) -> Job | None:
        """Take this job out; None if it does not wait (any more)."""
        with self._lock:
            key = self._keys.get(job_id)
            return self._take(key) if key is not None else None

    def amend(self, job_id: str, change: Callable[[Job], Job]) -> None:
        """Put `change(job)` in the place of a waiting job. Nobody can take the job out in between."""
        with self._lock:
            key = self._keys.get(job_id)
            if key is not None:
                self._jobs[key] = change(self._jobs[key])

    def position(self, job_id: str) -> int:
        """Its place from 1, or 0 if it does not wait."""
        with self._lock:
            key = self._keys.get(job_id)
            return bisect.bisect_left(self._order, key) + 1 if key is not None else 0

    def waiting(self, before: str | None = None) -> list[Job]:
        """The waiting jobs in order; with `before`, only those ahead of that one."""
        with self._lock:
            key = self._keys.get(before) if before else None
            order = self._order[: bisect.bisect_left(self._order, key)] if key else self._order
            return [self._jobs[each] for each in order]

    def _take(self, key: Key) -> Job:
        index = bisect.bisect_left(self._order, key)
        del self._order[index]
        job = self._jobs.pop(key)
        del self._keys[job.id]
        return job
