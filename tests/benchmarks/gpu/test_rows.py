"""Rows: what is in its tolerance, and what becomes of a check that breaks."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Iterator

import pytest
import torch

from benchmarks.gpu.rows import OverBudget, Row, equal, guarded, measured, not_run


@pytest.mark.parametrize(
    ("value", "least", "most", "ok"),
    [
        (1.0, None, None, True),
        (1.0, 1.0, 1.25, True),
        (1.25, 1.0, 1.25, True),
        (0.99, 1.0, 1.25, False),
        (1.26, 1.0, 1.25, False),
        (2.0, None, 1.0, False),
        (math.nan, None, None, False),
        (math.nan, None, 1.0, False),
        (math.inf, 1.0, None, False),
    ],
)
def test_a_number_is_finite_and_between_its_bounds(
    value: float, least: float | None, most: float | None, ok: bool
) -> None:
    assert measured("x", value, least=least, most=most).ok is ok


def test_tolerances_are_told_in_words() -> None:
    assert measured("x", 1, least=1.0, most=1.25).tolerance == "1 … 1.25"
    assert measured("x", 1, most=0.003).tolerance == "≤ 0.003"
    assert measured("x", 1, least=2).tolerance == "≥ 2"
    assert measured("x", 1).tolerance == ""
    assert equal("x", 3, 4) == Row("x", "3", tolerance="= 4", ok=False)
    assert not_run("x", "why").ok is None


def broken() -> Iterator[Row]:
    yield equal("before", 1, 1)
    raise ValueError("broken on purpose")


def test_what_breaks_is_a_failed_row_with_its_traceback_and_keeps_what_came_before() -> None:
    first, second = guarded("check", broken())
    assert first.ok
    assert (second.name, second.value, second.ok) == ("check", "ValueError", False)
    assert "broken on purpose" in second.note and "in broken" in second.note


def test_time_that_is_up_is_no_finding_of_the_check() -> None:
    def late() -> Iterator[Row]:
        yield equal("before", 1, 1)
        raise OverBudget

    with pytest.raises(OverBudget):
        list(guarded("check", late()))


def test_the_tensors_of_what_broke_are_free_when_its_row_is_there() -> None:
    held: list[weakref.ref[torch.UntypedStorage]] = []

    def holding() -> Iterator[Row]:
        tensor = torch.zeros(1000)
        held.append(weakref.ref(tensor.untyped_storage()))
        yield equal("before", 1, 1)
        raise RuntimeError("out of memory")

    rows = guarded("check", holding())
    next(rows)
    next(rows)
    gc.collect()
    assert held[0]() is None
