"""`GET /metrics`: Prometheus text. State is read when it is asked for; only what passes by is counted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import bottle

from daemon.api.context import Context
from daemon.api.gpu import resident_mb
from daemon.api.route import Route
from daemon.outside.metrics import BUCKETS
from daemon.work.hold import HeldBy
from daemon.work.worker import Activity
from seedvr2 import __version__

MIB = 1 << 20
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Samples = Sequence[tuple[Mapping[str, str], float]]


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def metrics() -> Any:
        body = "".join(f"{line}\n" for line in exposition(context)).encode()
        return bottle.HTTPResponse(body, 200, headers={"Content-Type": CONTENT_TYPE})

    return [Route("GET", "/metrics", metrics, "Prometheus metrics")]


def exposition(context: Context) -> Iterator[str]:
    """The lines of the exposition format."""
    yield from _gauge("seedvr2_info", "Version of the service", [({"version": __version__}, 1)])
    yield from _gauge("seedvr2_uptime_seconds", "Since the start", time.monotonic() - context.started)
    yield from _work(context)
    yield from _counts(context)
    yield from _machine(context)


def _work(context: Context) -> Iterator[str]:
    worker, waiting = context.worker, context.queue.waiting()
    yield from _gauge("seedvr2_queue_length", "Jobs that wait", len(waiting))
    wait = context.estimates.total(waiting) + context.operations.running_s()
    yield from _gauge("seedvr2_queue_wait_seconds", "Estimated time until the queue is empty", wait)
    activities = [({"activity": each.value}, float(worker.activity is each)) for each in Activity]
    yield from _gauge("seedvr2_worker_activity", "What the worker does", activities)
    yield from _gauge("seedvr2_worker_paused", "Whether no job is started, for lack of disk", bool(worker.paused))
    held = [({"by": each.value}, float(worker.hold.by is each)) for each in HeldBy]
    yield from _gauge("seedvr2_queue_held", "Whether the queue is held though nothing is wrong", held)
    yield from _gauge("seedvr2_problems", "What /health names as wrong", len(context.problems()))
    heartbeat = time.monotonic() - worker.heartbeat
    yield from _gauge("seedvr2_worker_heartbeat_age_seconds", "Since the worker's last sign of life", heartbeat)
    model = context.executor.model
    loaded = [({"model": model}, 1.0)] if model else []
    yield from _gauge("seedvr2_model_loaded", "The model in memory", loaded)
    yield from _gauge("seedvr2_inbox_pending_files", "Files that are not complete yet", context.inbox.pending)
    jobs = [({"state": state.value}, count) for state, count in context.store.totals().items()]
    yield from _gauge("seedvr2_jobs", "Jobs remembered, by state", jobs)


def _counts(context: Context) -> Iterator[str]:
    counts = context.metrics
    submitted = [({"source": source}, count) for source, count in counts.submitted.items()]
    yield from _counter("seedvr2_jobs_submitted_total", "Jobs taken in", submitted)
    finished = [({"state": state}, count) for state, count in counts.finished.items()]
    yield from _counter("seedvr2_jobs_finished_total", "Jobs ended", finished)
    frames = [({"model": model}, count) for model, count in counts.frames.items()]
    yield from _counter("seedvr2_frames_total", "Frames made", frames)
    name = "seedvr2_job_duration_seconds"
    yield from _head(name, "Time that completed jobs took", "histogram")
    for bound, count in zip(BUCKETS, counts.buckets, strict=True):
        yield f'{name}_bucket{{le="{bound:g}"}} {count}'
    yield f'{name}_bucket{{le="+Inf"}} {counts.seconds_count}'
    yield f"{name}_sum {counts.seconds_sum}"
    yield f"{name}_count {counts.seconds_count}"
    yield from _gauge("seedvr2_last_success_timestamp_seconds", "When a job was last completed", counts.last_success)


def _machine(context: Context) -> Iterator[str]:
    yield from _gauge("seedvr2_resident_memory_bytes", "Main memory of the process", resident_mb() * MIB)
    facts = context.gpu.facts()
    if facts is None:
        return
    gpu = {"gpu": str(facts.index)}
    used, total = float(facts.memory_used_mb * MIB), float(facts.memory_total_mb * MIB)
    memory = [({**gpu, "kind": "used"}, used), ({**gpu, "kind": "total"}, total)]
    yield from _gauge("seedvr2_gpu_memory_bytes", "Memory of the GPU, all processes", memory)
    if facts.utilization is not None:
        busy = [(gpu, facts.utilization / 100)]
        yield from _gauge("seedvr2_gpu_utilization_ratio", "Share of time it is busy", busy)
    if facts.temperature_c is not None:
        yield from _gauge("seedvr2_gpu_temperature_celsius", "Temperature", [(gpu, float(facts.temperature_c))])


def _gauge(name: str, meaning: str, value: Samples | float) -> Iterator[str]:
    yield from _head(name, meaning, "gauge")
    yield from _samples(name, value)


def _counter(name: str, meaning: str, value: Samples) -> Iterator[str]:
    yield from _head(name, meaning, "counter")
    yield from _samples(name, value)


def _head(name: str, meaning: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"


def _samples(name: str, value: Samples | float) -> Iterator[str]:
    if isinstance(value, int | float):
        yield f"{name} {float(value):g}"
        return
    for labels, each in value:
        text = ",".join(f'{key}="{_escape(label)}"' for key, label in labels.items())
        yield f"{name}{{{text}}} {float(each):.15g}"


def _escape(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
