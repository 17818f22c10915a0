"""What a cluster costs: `python -m benchmarks.cluster` prints the figures of docs/cluster.md. Needs Ray, and no GPU."""

from __future__ import annotations

import math
import os
import queue
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.cluster import messages as say
from daemon.cluster.dispatcher import BEGIN, Dispatcher, Turn
from daemon.cluster.foreman import Foreman
from daemon.cluster.gateway import Gateway, ray_environment
from daemon.cluster.job_events import Event, Made
from daemon.jobs.job import Draft, Media
from daemon.store.job_store import JobStore

MAIN = "benchmarks.cluster_gateway"
RANK = (False, -1)
UNITS = 60


class Bench:
    """A cluster of so many places that sleep."""

    def __init__(self, places: int) -> None:
        self._changed = threading.Event()
        self.foreman = Foreman(Dispatcher(), lambda message: self.gateway.send(message), self._changed.set)
        setup = say.Setup(say.VERSION, "local", "", [], places, "", {"none": True}, "", {}, 0.0, "error", "text")
        self.gateway = Gateway(lambda: setup, ray_environment(), self.foreman.hear, MAIN)
        self._number = 0

    def wait(self, places: int) -> float:
        """Wait for so many places; answers the seconds."""
        began = time.monotonic()
        while self.foreman.capacity < places:
            self._changed.wait(0.01)
            self._changed.clear()
        return time.monotonic() - began

    def begin(self, units: int, seconds: float) -> queue.SimpleQueue[Event]:
        """A job of so many units that take so many seconds each; its events."""
        self._number += 1
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        job = f"job-{self._number}"

        def order(index: int, _attempt: str) -> dict[str, Any]:
            return {"seconds": 0.0 if index == BEGIN else seconds}

        self.foreman.enter(Turn(job, RANK, self._number), order, events)
        made = self.made(events)
        self.foreman.planned(job, range(units), made.place, "")
        return events

    def made(self, events: queue.SimpleQueue[Event]) -> Made:
        """The next unit that was made."""
        while not isinstance(event := events.get(timeout=60), Made):
            pass
        return event

    def run(self, units: int, seconds: float) -> float:
        """Seconds that such a job takes."""
        events = self.begin(units, seconds)
        began = time.monotonic()
        for _ in range(units):
            self.made(events)
        took = time.monotonic() - began
        self.foreman.leave(f"job-{self._number}")
        return took


@contextmanager
def cluster(places: int) -> Iterator[tuple[Bench, float]]:
    """Such a cluster, and the seconds until it was there."""
    bench = Bench(places)
    began = time.monotonic()
    bench.gateway.start()
    try:
        bench.wait(places)
        yield bench, time.monotonic() - began
    finally:
        bench.gateway.stop()


def scaling() -> None:
    """60 units of one second, at more and more places."""
    for places in (1, 2, 4, 8):
        with cluster(places) as (bench, started):
            took, least = bench.run(UNITS, 1.0), math.ceil(UNITS / places)
            print(
                f"{places} places: up after {started:.1f} s, {UNITS} units of 1 s in {took:.2f} s, of which "
                f"{least / took:.1%} were unavoidable"
            )


def overhead() -> None:
    """What a unit costs beyond its work, and how fast others are told of an end."""
    with cluster(1) as (bench, _):
        bench.run(20, 0.0)
        took = bench.run(300, 0.0)
        print(f"overhead of a unit: {1000 * took / 300:.1f} ms (one place, 300 units that do nothing)")
        print(f"cancel: {_median(lambda: _cancel(bench)):.0f} ms; a slot ended by SIGKILL is noticed after", end=" ")
        noticed, back = zip(*(_kill(bench) for _ in range(5)), strict=True)
        print(f"{1000 * statistics.median(noticed):.0f} ms, and another is ready {statistics.median(back):.1f} s later")


def _cancel(bench: Bench) -> float:
    bench.begin(1, 30.0)
    job = f"job-{bench._number}"
    time.sleep(0.3)
    began = time.monotonic()
    bench.foreman.leave(job)
    while bench.foreman.at_work(job):
        time.sleep(0.001)
    return 1000 * (time.monotonic() - began)


def _kill(bench: Bench) -> tuple[float, float]:
    bench.begin(1, 30.0)
    job = f"job-{bench._number}"
    time.sleep(0.3)
    (slot,) = _slots(bench.gateway.pid or 0)
    began = time.monotonic()
    os.kill(slot, signal.SIGKILL)
    while bench.foreman.places_of(job):
        time.sleep(0.001)
    noticed = time.monotonic() - began
    bench.wait(1)
    back = time.monotonic() - began - noticed
    bench.foreman.leave(job)
    return noticed, back


def _slots(parent: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        for child in (task / "children").read_text().split():
            name = Path(f"/proc/{child}/comm").read_text()
            found += [int(child)] if name.startswith("ray::GpuSlot") else _slots(int(child))
    return found


def idle() -> None:
    """What a place takes that has nothing to do."""
    with cluster(2) as (bench, _):
        pid = bench.gateway.pid or 0
        before = _processor_s(pid)
        time.sleep(20)
        used = (_processor_s(pid) - before) / 20
        print(f"idle: {_memory_mb(pid)} MB in all processes (2 places), {100 * used:.1f} % of a core")


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += _family(int(child))
    return found


def _processor_s(pid: int) -> float:
    ticks = 0
    for each in _family(pid):
        words = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(words[11]) + int(words[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> int:
    total = 0
    for each in _family(pid):
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total // 1024


def store() -> None:
    """How many jobs a second the store takes from their submission to their end."""
    with tempfile.TemporaryDirectory() as folder:
        kept = JobStore(Path(folder), keep_count=1000)
        draft = Draft("api", "/nowhere/a.png", "a.png", "0" * 64, 1, Media("picture", 64, 48, 1), {}, 1.0, "0")
        jobs, began = 200, time.monotonic()
        for _ in range(jobs):
            job = kept.add(draft)
            job = kept.save(job.start(time.time()))
            kept.save(job.fail(time.time(), "No."))
        print(f"store: {jobs / (time.monotonic() - began):.0f} jobs a second, three durable writes each")
        kept.close()


def _median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(5))


def main() -> None:
    """All of them."""
    overhead()
    scaling()
    idle()
    store()


if __name__ == "__main__":
    main()
