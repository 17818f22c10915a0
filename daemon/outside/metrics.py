"""Counts what happened since the start, for `GET /metrics`."""

from __future__ import annotations

import threading
from collections import Counter

from daemon.jobs.job import State
from daemon.outside.events import Event, EventHub

# Seconds; from a picture to a film.
BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)


class Metrics:
    """Counters fed by the events of jobs. Thread-safe."""

    def __init__(self, hub: EventHub) -> None:
        self._lock = threading.Lock()
        self.submitted: Counter[str] = Counter()
        self.finished: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        self.buckets = [0] * len(BUCKETS)
        self.seconds_sum = 0.0
        self.seconds_count = 0
        self.last_success = 0.0
        hub.listen(self._on_event)

    def _on_event(self, event: Event) -> None:
        job = event.job
        if event.progress is not None:
            return
        with self._lock:
            # Not one that waits again.
            if job.state is State.QUEUED and job.starts == 0 and job.took_s is None:
                self.submitted[job.draft.origin] += 1
            if job.finished:
                self.finished[job.state.value] += 1
            if job.state is State.COMPLETED and job.result is not None:
                self.frames[job.result.model] += job.result.frames
                self._observe(job.result.seconds)
                self.last_success = job.completed_at or 0.0

    def _observe(self, seconds: float) -> None:
        self.seconds_sum += seconds
        self.seconds_count += 1
        for index, bound in enumerate(BUCKETS):
            self.buckets[index] += seconds <= bound
