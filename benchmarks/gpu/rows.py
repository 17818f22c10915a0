"""What a check says: rows, each a value with what it may be."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

GIB = 1 << 30


class OverBudget(BaseException):
    """A step has used up its time. Nobody on the way may take it for an error of what was running."""


@dataclass(frozen=True, slots=True)
class Row:
    """One value.

    Attributes:
        value: a number, a text, or None where nothing was measured.
        tolerance: what the value may be, in words; empty where it is only recorded.
        ok: whether it is that; None where the check does not apply to this card, which `note` explains.
        note: more about it: what was expected, the names of kernels, a traceback.
    """

    name: str
    value: float | str | None
    unit: str = ""
    tolerance: str = ""
    ok: bool | None = True
    note: str = ""


def measured(
    name: str, value: float, unit: str = "", *, least: float | None = None, most: float | None = None, note: str = ""
) -> Row:
    """A number, which is finite, and from `least` to `most` where they are given."""
    low, high = -math.inf if least is None else least, math.inf if most is None else most
    tolerance = " … ".join(f"{bound:g}" for bound in (least, most) if bound is not None)
    if (least is None) != (most is None):
        tolerance = f"{'≤' if least is None else '≥'} {tolerance}"
    return Row(name, value, unit, tolerance, math.isfinite(value) and low <= value <= high, note)


def equal(name: str, got: object, wanted: object) -> Row:
    """A value that is exactly what it should be."""
    return Row(name, str(got), tolerance=f"= {wanted}", ok=got == wanted)


def fact(name: str, value: object) -> Row:
    """Something that is worth knowing beside the numbers."""
    return Row(name, str(value))


def not_run(name: str, why: str) -> Row:
    """A check that does not apply to this card or did not find the time, and why."""
    return Row(name, None, ok=None, note=why)


def guarded(name: str, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows; where making them raises, a failed one called `name` with the traceback ends them."""
    try:
        yield from rows
        return
    except Exception as error:  # whatever breaks is a finding, and the checks after it still run
        kind, trace = type(error).__name__, traceback.format_exc()
    # Out here, because an exception that is being handled keeps the tensors of its frames alive.
    yield Row(name, kind, tolerance="no error", ok=False, note=trace)
