"""What the thread of a job hears of its units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from daemon.cluster.messages import Place
from daemon.errors import EngineBugError


class UnitError(EngineBugError):
    """A unit cannot be made, on several machines or in several tries; the message names them."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far a place is with a unit; as `OnProgress` of the executor."""

    index: int
    stage: str
    done: int
    total: int | None
    share: float | None


@dataclass(frozen=True, slots=True)
class Made:
    """A place says that it has made a unit, and what of it. `seconds` it took, the way there and back included."""

    index: int
    attempt: str
    place: Place
    answer: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class TooLarge:
    """No place has the memory that a unit takes by the present plan."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The job ends with an error."""

    error: Exception


Event: TypeAlias = Step | Made | TooLarge | Ended
