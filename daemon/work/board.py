"""What the worker's thread writes down for all others to read, and what they leave there for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from daemon.work.running import RunningJobs

log = logging.getLogger(__name__)
# How often an idle worker looks around without being woken.
TICK_S = 1.0


class Board:
    """Its attributes are replaced whole and may be read by any thread.

    Attributes:
        lock: held where a job goes from waiting to running or back, so that a cancel finds it here or there.
        running: the jobs that run; changed under the lock.
        cancelled: ids of those that are not wanted any more; changed under the lock.
        paused: why no job is started; empty if they are.
        heartbeat: when the thread has moved last, as `time.monotonic` counts.
        stopping: set once the thread is to end.
    """

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.running = RunningJobs()
        self.cancelled: set[str] = set()
        self.paused = ""
        self.heartbeat = time.monotonic()
        self.stopping = threading.Event()
        self._news = False

    def notify(self) -> None:
        """There may be something to do."""
        with self.lock:
            self._news = True
            self.lock.notify_all()

    # -- in the worker's thread ---------------------------------------------------------------------------

    def look(self) -> None:
        """The thread looks for something to do: whatever it was told of until now, it sees."""
        self.heartbeat, self._news = time.monotonic(), False

    def rest(self, busy: Callable[[], bool]) -> None:
        """Wait until there is news, or for a tick; not at all if the thread is busy or there is news already."""
        with self.lock:
            if not (self.stopping.is_set() or self._news or busy()):
                self.lock.wait(TICK_S)

    def beat(self) -> None:
        """The thread moves."""
        self.heartbeat = time.monotonic()

    def pause(self, reason: str) -> None:
        """Why no job is started from now on; empty: they are."""
        if reason and reason != self.paused:
            log.error("no job is started: %s", reason)
        elif self.paused and not reason:
            log.info("jobs are started again")
        self.paused = reason
