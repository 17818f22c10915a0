"""Whether the queue is held though nothing is wrong: somebody paused it, or it is outside of its hours."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import datetime

from daemon.settings.hours import Hours
from daemon.store.job_store import JobStore

PAUSED = "the queue is paused; resume it to go on"


class HeldBy(enum.StrEnum):
    """Why the queue does not run."""

    REQUEST = "request"
    HOURS = "hours"


class Hold:
    """For any thread. That it was paused outlives the service.

    Args:
        hours: in which it may run. clock: answers the local time, without a zone.
    """

    def __init__(self, store: JobStore, hours: Hours, clock: Callable[[], datetime] = datetime.now) -> None:
        self._store = store
        self.hours = hours
        self._clock = clock
        self._paused = store.paused()
        self._at_once = False

    def pause(self, *, at_once: bool) -> None:
        """Begin no job any more; a running video stops where its present segment is finished.

        Args:
            at_once: whether the running job stops at the next step of the engine, and a picture too.

        Raises:
            OSError: the disk refuses; it goes on.
        """
        self._store.save_paused(True)
        self._paused, self._at_once = True, at_once

    def resume(self) -> None:
        """Take that back. Raises OSError."""
        self._store.save_paused(False)
        self._paused = self._at_once = False

    @property
    def by(self) -> HeldBy | None:
        """What holds it; None if it may run."""
        if self._paused:
            return HeldBy.REQUEST
        return None if self.hours.within(self._clock()) else HeldBy.HOURS

    @property
    def reason(self) -> str:
        """Why it is held, in a few words; empty if it may run."""
        held = self.by
        if held is HeldBy.HOURS:
            return f"the queue runs at {self.hours} only; it goes on at {self._next():%H:%M}"
        return PAUSED if held else ""

    @property
    def until(self) -> float | None:
        """When it goes on by itself, in seconds since 1970; None if it does not, or if it runs."""
        return self._next().timestamp() if self.by is HeldBy.HOURS else None

    @property
    def at_once(self) -> bool:
        """Whether the running job is not even to finish what it has begun."""
        return self._paused and self._at_once

    def _next(self) -> datetime:
        return self.hours.next_begin(self._clock())
