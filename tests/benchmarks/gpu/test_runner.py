"""Steps one after another: none of them ends the run, and each has its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.rows import Row, equal
from benchmarks.gpu.runner import StepResult, run
from benchmarks.gpu.steps import STEPS, Step


def good(_bench: Bench) -> Iterator[Row]:
    yield equal("fine", 1, 1)


def broken(_bench: Bench) -> Iterator[Row]:
    yield equal("still fine", 1, 1)
    raise RuntimeError("CUDA error: device-side assert triggered")


def endless(_bench: Bench) -> Iterator[Row]:
    yield equal("first", 1, 1)
    while True:
        time.sleep(0.01)


def run_all(bench: Bench, *rows: Callable[[Bench], Iterator[Row]], patience: float = 1) -> list[StepResult]:
    steps = [Step(number, part.__name__, 0.5, part) for number, part in enumerate(rows, 1)]
    told: list[StepResult] = []
    results = run(bench, steps, patience=patience, on_step=told.append)
    assert told == results
    return results


def test_a_step_that_raises_is_a_failed_row_and_the_next_one_runs(bench: Bench) -> None:
    first, second = run_all(bench, broken, good)
    assert [row.ok for row in first.rows] == [True, False]
    assert "device-side assert" in first.rows[1].note
    assert [row.ok for row in second.rows] == [True]


def test_a_step_that_does_not_end_is_stopped_and_the_next_one_runs(bench: Bench) -> None:
    first, second = run_all(bench, endless, good)
    assert [row.ok for row in first.rows] == [True, False]
    assert "stopped" in str(first.rows[1].value)
    assert [row.ok for row in second.rows] == [True]


def test_a_step_that_finds_no_time_left_is_stopped_too(bench: Bench) -> None:
    (result,) = run_all(bench, endless, patience=0)
    assert result.rows[-1].ok is False


def test_what_a_step_leaves_of_its_time_is_there_for_the_next_one(bench: Bench) -> None:
    left: list[float] = []

    def asks(bench: Bench) -> Iterator[Row]:
        left.append(bench.left())
        yield equal("fine", 1, 1)

    run_all(bench, good, asks, patience=1000)
    assert left[0] > 900


def test_all_steps_together_take_less_than_eight_minutes() -> None:
    assert [step.number for step in STEPS] == list(range(1, 12))
    assert sum(step.seconds for step in STEPS) < 8 * 60
