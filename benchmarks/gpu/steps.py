"""The steps, each with its name and the seconds that it may take, as a whole under eight minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.gpu import (
    cards,
    fixtures,
    hardware,
    kernels,
    peaks,
    real_width,
    recovery,
    repeats,
    service,
    stages,
    whole,
)
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.rows import Row


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `rows` makes its rows, in `seconds` and whatever the steps before it have left of theirs."""

    number: int
    title: str
    seconds: float
    rows: Callable[[Bench], Iterator[Row]]


STEPS = (
    Step(1, "The card", 30, hardware.rows),
    Step(2, "The reference's numbers", 50, fixtures.rows),
    Step(3, "Layers of the real width", 45, real_width.rows),
    Step(4, "Peaks of memory", 60, peaks.rows),
    Step(5, "Smaller cards, emulated", 40, cards.rows),
    Step(6, "Two jobs, and unloading", 20, repeats.rows),
    Step(7, "Stage by stage", 30, stages.rows),
    Step(8, "Recovery", 25, recovery.rows),
    Step(9, "Whole pictures and clips", 100, whole.rows),
    Step(10, "Kernels", 15, kernels.rows),
    Step(11, "The service itself", 60, service.rows),
)
