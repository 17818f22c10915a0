"""`GET /metrics`: what Prometheus reads. State is read when it is asked for; only what passes by is counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import bottle
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, SummaryMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from daemon.api.context import Context
from daemon.api.gpu import resident_mb
from daemon.api.route import Route
from daemon.outside.metrics import as_label
from daemon.work.hold import HeldBy
from daemon.work.worker import Activity
from seedvr2 import __version__

MIB = 1 << 20
# The value of each label, and that of the sample.
Samples = Sequence[tuple[Sequence[str], float]]


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""
    context.metrics.registry.register(State(context))

    def metrics() -> Any:
        body, kind = exposition(context, bottle.request.get_header("Accept", ""))
        return bottle.HTTPResponse(body, 200, headers={"Content-Type": kind})

    return [Route("GET", "/metrics", metrics, "Prometheus metrics")]


def exposition(context: Context, accept: str = "") -> tuple[bytes, str]:
    """All metrics in the format that the header Accept asks for, and its content type."""
    try:
        encode, kind = choose_encoder(accept)
    except TypeError:
        # It asks for a version that is no number.
        encode, kind = choose_encoder("")
    return encode(context.metrics.registry), kind


class State(Collector):
    """What is so at the moment when it is asked for."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def describe(self) -> list[Metric]:
        """Nothing in advance: there is no state to tell of before the service stands."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics of the state."""
        yield InfoMetricFamily("seedvr2", "Version of the service", {"version": __version__})
        yield _gauge("seedvr2_uptime_seconds", "Since the start", time.monotonic() - self._context.started)
        yield from _work(self._context)
        yield from _places(self._context)
        yield from _machine(self._context)


def _work(context: Context) -> Iterator[Metric]:
    worker, waiting = context.worker, context.queue.waiting()
    yield _gauge("seedvr2_queue_length", "Jobs that wait", len(waiting))
    wait = context.operations.total_s(waiting)
    yield _gauge("seedvr2_queue_wait_seconds", "Estimated time until the queue is empty", wait)
    activities = [([each.value], float(worker.activity is each)) for each in Activity]
    yield _gauges("seedvr2_worker_activity", "What the worker does", ["activity"], activities)
    yield _gauge("seedvr2_worker_paused", "Whether no job is started, for lack of disk", bool(worker.paused))
    held = [([each.value], float(worker.hold.by is each)) for each in HeldBy]
    yield _gauges("seedvr2_queue_held", "Whether the queue is held though nothing is wrong", ["by"], held)
    yield _gauge("seedvr2_problems", "What /health names as wrong", len(context.problems()))
    heartbeat = time.monotonic() - worker.heartbeat
    yield _gauge("seedvr2_worker_heartbeat_age_seconds", "Since the worker's last sign of life", heartbeat)
    model = context.executor.model
    loaded: Samples = [([as_label(model)], 1.0)] if model else []
    yield _gauges("seedvr2_model_loaded", "The model in memory", ["model"], loaded)
    yield _gauge("seedvr2_inbox_pending_files", "Files that are not complete yet", context.inbox.pending)
    jobs = [([state.value], float(count)) for state, count in context.store.totals().items()]
    yield _gauges("seedvr2_jobs", "Jobs remembered, by state", ["state"], jobs)


def _places(context: Context) -> Iterator[Metric]:
    if context.cluster is None:
        return
    foreman = context.cluster.foreman
    counted = Counter((as_label(place.machine), as_label(place.kind), place.state) for place in foreman.places)
    places = [(list(labels), float(count)) for labels, count in counted.items()]
    yield _gauges("seedvr2_places", "GPUs of the cluster", ["machine", "kind", "state"], places)
    units = CounterMetricFamily(
        "seedvr2_units", "Segments and pictures, by what became of them", labels=["machine", "result"]
    )
    for (machine, result), count in foreman.units.items():
        units.add_metric([as_label(machine), result], count)
    yield units
    carried = CounterMetricFamily(
        "seedvr2_transfer_bytes", "Of files to and from machines that do not see them", labels=["machine", "direction"]
    )
    for (machine, direction), count in foreman.carried.items():
        carried.add_metric([as_label(machine), direction], count)
    yield carried
    took = SummaryMetricFamily(
        "seedvr2_unit_seconds", "Time that one took, the way there and back included", labels=["kind"]
    )
    for kind, (count, seconds) in foreman.seconds.items():
        took.add_metric([as_label(kind)], count, seconds)
    yield took
    free = [([as_label(place.machine), str(place.gpu_index)], float(place.free_mb * MIB)) for place in foreman.places]
    yield _gauges("seedvr2_place_memory_free_bytes", "Of the GPU when it was last asked", ["machine", "gpu"], free)


def _machine(context: Context) -> Iterator[Metric]:
    yield _gauge("seedvr2_resident_memory_bytes", "Main memory of the process", resident_mb() * MIB)
    facts = context.gpu.facts()
    if facts is None:
        return
    gpu = str(facts.index)
    used, total = float(facts.memory_used_mb * MIB), float(facts.memory_total_mb * MIB)
    memory = [([gpu, "used"], used), ([gpu, "total"], total)]
    yield _gauges("seedvr2_gpu_memory_bytes", "Memory of the GPU, all processes", ["gpu", "kind"], memory)
    if facts.utilization is not None:
        busy = [([gpu], facts.utilization / 100)]
        yield _gauges("seedvr2_gpu_utilization_ratio", "Share of time it is busy", ["gpu"], busy)
    if facts.temperature_c is not None:
        warm = [([gpu], float(facts.temperature_c))]
        yield _gauges("seedvr2_gpu_temperature_celsius", "Temperature", ["gpu"], warm)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value)


def _gauges(name: str, meaning: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for each, value in samples:
        family.add_metric(each, value)
    return family
