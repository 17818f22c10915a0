"""How long jobs will take: their size in output megapixel-frames over the speed measured for the model.

The speeds live in the store, so the first estimate after a restart is as good as the last one before.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping

from daemon.jobs.job import Job
from daemon.store.job_store import JobStore

log = logging.getLogger(__name__)
# A quarter of the newest measurement: follows a change of machine within a few jobs, ignores one odd job.
WEIGHT = 0.25
# Megapixel-frames a second until something was measured: a middling GPU.
FIRST_GUESS = 1.0
# The measured speed of jobs that name no model.
ANY = ""


class Estimates:
    """Measured speeds and what follows from them. Thread-safe."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._speeds = _sane(store.speeds())
        # Of models that never ran here, as their plans say.
        self._expected: dict[str, float] = {}
        # What jobs run with that name no model, once that is known.
        self.default = ANY

    def seconds(self, job: Job, model: str = "") -> float:
        """Seconds that this job will take, from where it let go."""
        return job.draft.work * (1 - job.percent / 100) / self.speed(model or job.draft.model)

    def total(self, jobs: Iterable[Job]) -> float:
        """Seconds that these jobs will take, one after the other."""
        return sum(self.seconds(job) for job in jobs)

    def speed(self, model: str = "") -> float:
        """Megapixel-frames a second of `model`, or as planned or of whatever ran last if it never did."""
        name = model or self.default
        with self._lock:
            return self._speeds.get(name) or self._expected.get(name) or self._speeds.get(ANY) or FIRST_GUESS

    def knows(self, model: str) -> bool:
        """Whether a job with this model has run here, or a plan of one has said how fast that will be."""
        with self._lock:
            return model in self._speeds or model in self._expected

    def ran(self, model: str) -> bool:
        """Whether a job with this model has run here, so that its speed is a measured one."""
        with self._lock:
            return model in self._speeds

    def expect(self, model: str, work: float, seconds: float) -> None:
        """Count on what a plan says until something is measured."""
        if seconds > 0 and work > 0:
            with self._lock:
                self._expected[model] = work / seconds

    def measured(self, model: str, work: float, seconds: float) -> None:
        """Learn from a finished job. Never fails."""
        if seconds <= 0 or work <= 0:
            return
        speed = work / seconds
        with self._lock:
            for key in (model, ANY):
                old = self._speeds.get(key)
                self._speeds[key] = speed if old is None else old + WEIGHT * (speed - old)
            speeds = dict(self._speeds)
        try:
            self._store.save_speeds(speeds)
        except OSError as error:
            # Only a figure for estimates: no result may be lost over it.
            log.warning("the speed of %s cannot be noted: %s", model, error)


def _sane(speeds: Mapping[str, object]) -> dict[str, float]:
    """What can be divided by; anything else is measured anew."""
    return {name: float(speed) for name, speed in speeds.items() if isinstance(speed, int | float) and speed > 0}
