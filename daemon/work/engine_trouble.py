"""What becomes of a job whose engine ended under it: is it the file's fault, or the machine's?

One process, one job: whatever ends the process seems to be the job's doing. It is the machine's where other jobs fare
no better. So a job that was interrupted goes behind the others; if the next one ends likewise, with none done in
between, nothing counts against either, and the queue rests. If the next one is done, the machine is well. An error of
the GPU counts against a file for good only if the GPU did another file since it first met this one: a file that is
alone with a dying driver waits.
"""

from __future__ import annotations

import logging
import time

from daemon.errors import EngineAwayError, EngineDiedError
from daemon.jobs.job import Job
from daemon.work.ending import MAX_STARTS
from daemon.work.surroundings import FIRST_REST_S, LONGEST_REST_S

log = logging.getLogger(__name__)
POISON = f"The engine ended abruptly {MAX_STARTS} times while it worked on this file, so it is not tried again"


class EngineTrouble:
    """What the worker asks before each job and tells after each. Used by one thread; `problems` by any."""

    def __init__(self) -> None:
        # The jobs that ended the engine since a job was last done.
        self._suspects: set[str] = set()
        self._done = 0
        # How many were done when a job first ended the engine.
        self._since: dict[str, int] = {}
        self._tries = 0
        self._reason = ""
        self._until = 0.0
        self._resting: dict[str, float] = {}
        self._lacks_memory = False

    @property
    def problems(self) -> list[str]:
        """What is wrong, until a job shows that it is over."""
        return [self._reason] if self._reason else []

    def pause(self) -> str:
        """Why no job is to be started at the moment; empty if one may be."""
        return self._reason if time.monotonic() < self._until else ""

    def lacked_memory(self) -> bool:
        """Whether a job was refused for want of memory since this was last asked: the engine may hold some itself."""
        lacked, self._lacks_memory = self._lacks_memory, False
        return lacked

    def ready(self, job: Job) -> bool:
        """Whether a waiting job may begin: it does not rest, so that others get their turn."""
        return time.monotonic() >= self._resting.get(job.id, 0.0)

    def did(self, job: Job) -> None:
        """The engine has done a job."""
        if self._reason:
            log.info("the engine is well again")
        self._done += 1
        self._since.pop(job.id, None)
        self._suspects.clear()
        self._resting.clear()
        self._reason, self._tries, self._until = "", 0, 0.0

    def failed(self, job: Job, error: Exception, reached: int) -> Job:
        """The record of a job that the engine did not bring to an end through no fault of what it says.

        Args:
            error: EngineAwayError, EngineDiedError, CardFullError or MemoryTakenError. reached: frames that were done.
        """
        reason = str(error)
        if isinstance(error, EngineAwayError):
            self._rest(reason)
            return job.requeue(orderly=True, reached=reached)
        if not isinstance(error, EngineDiedError):
            self._lacks_memory = True
            self._rest(reason)
            return self._behind(job, reached)
        log.error("job %s: %s", job.id, reason)
        self._suspects.add(job.id)
        since = self._since.setdefault(job.id, self._done)
        if len(self._suspects) > 1:
            self._rest(f"the engine ends with every task: {reason}")
            return self._behind(job, reached)
        queued = job.requeue(orderly=False, reached=reached)
        if queued.starts >= MAX_STARTS and error.device and since == self._done:
            self._rest(reason)
            return self._behind(job, reached)
        if queued.starts >= MAX_STARTS:
            self._suspects.clear()
            self._since.pop(job.id, None)
            self._reason = ""
            return job.fail(time.time(), f"{POISON} ({reason}).")
        if queued.starts > 1:
            # Once may be chance.
            self._reason = reason
            self._resting[job.id] = time.monotonic() + FIRST_REST_S * 2 ** (queued.starts - 2)
        return queued

    def _behind(self, job: Job, reached: int) -> Job:
        """Queued behind those that were never tried: they may show whose fault it is. Counts once at the most."""
        self._resting[job.id] = self._until + FIRST_REST_S
        return job.requeue(orderly=job.starts > 1, reached=reached)

    def _rest(self, reason: str) -> None:
        if reason != self._reason:
            log.error("the engine is in trouble: %s", reason)
        pause = min(FIRST_REST_S * 2**self._tries, LONGEST_REST_S)
        self._tries, self._reason = min(self._tries + 1, 30), reason
        self._until = time.monotonic() + pause
