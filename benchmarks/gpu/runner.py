"""Runs the steps one after another: whatever one of them does, the next one runs, and the time is kept."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.rows import OverBudget, Row, guarded
from benchmarks.gpu.steps import Step
from seedvr2.model import release_memory

# A timer of nothing would never ring: a step before may have taken what was meant for this one.
_LEAST_S = 0.01


@dataclass(frozen=True, slots=True)
class StepResult:
    """The rows of a step, and the seconds that it took."""

    number: int
    title: str
    seconds: float
    rows: tuple[Row, ...]


def run(
    bench: Bench, steps: Iterable[Step], *, patience: float, on_step: Callable[[StepResult], None]
) -> list[StepResult]:
    """Run steps.

    Args:
        patience: what the steps' times are multiplied by. What one of them leaves is there for those after it.
        on_step: told of each step when it has ended.
    """
    results = []
    bench.deadline = time.monotonic()
    for step in steps:
        started = time.monotonic()
        bench.deadline += step.seconds * patience
        rows = tuple(_rows(bench, step))
        results.append(StepResult(step.number, step.title, time.monotonic() - started, rows))
        on_step(results[-1])
    return results


def _rows(bench: Bench, step: Step) -> Iterator[Row]:
    """The rows that the step makes until its time is up."""
    seconds = max(bench.left(), _LEAST_S)
    try:
        with _alarm(seconds):
            yield from guarded(step.title, step.rows(bench))
    except OverBudget:
        yield Row(step.title, f"stopped after {seconds:.0f} s", tolerance="ends in its time", ok=False)
    # After a fault of the device nothing can be given back any more, and the rows that follow say so.
    yield from guarded("give memory back", _release())


def _release() -> Iterator[Row]:
    release_memory()
    yield from ()


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise OverBudget in the block when the time is up; between two operations, since none can be interrupted."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise OverBudget

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
