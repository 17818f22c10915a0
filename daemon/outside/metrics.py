"""Counts what happened since the start, for `GET /metrics`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from daemon.jobs.job import State
from daemon.outside.events import Event, EventHub

# Seconds; from a picture to a film.
BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
# All have the same beginning, which `seedvr2_uptime_seconds` tells.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """Counters fed by the events of jobs, in a registry that others may add to. Thread-safe."""

    def __init__(self, hub: EventHub) -> None:
        # Not the one of the library, which tells of Python's own matters too.
        self.registry = own = CollectorRegistry()
        self._submitted = Counter("seedvr2_jobs_submitted", "Jobs taken in", ["source"], registry=own)
        self._finished = Counter("seedvr2_jobs_finished", "Jobs ended", ["state"], registry=own)
        self._frames = Counter("seedvr2_frames", "Frames made", ["model"], registry=own)
        name, meaning = "seedvr2_job_duration_seconds", "Time that completed jobs took"
        self._duration = Histogram(name, meaning, buckets=BUCKETS, registry=own)
        name, meaning = "seedvr2_last_success_timestamp_seconds", "When a job was last completed"
        self._last_success = Gauge(name, meaning, registry=own)
        hub.listen(self._on_event)

    def _on_event(self, event: Event) -> None:
        job = event.job
        if event.progress is not None:
            return
        # Not one that waits again.
        if job.state is State.QUEUED and job.starts == 0 and job.took_s is None:
            self._submitted.labels(job.draft.origin).inc()
        if job.finished:
            self._finished.labels(job.state.value).inc()
        if job.state is State.COMPLETED and job.result is not None:
            self._frames.labels(as_label(job.result.model)).inc(job.result.frames)
            self._duration.observe(job.result.seconds)
            self._last_success.set(job.completed_at or 0.0)


def as_label(name: str) -> str:
    """A text that can be a label: the name of a file may hold bytes that are no UTF-8."""
    return name.encode("utf-8", "replace").decode("utf-8")
