"""What a preview is asked for beside the options of the job."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from seedvr2.errors import OptionError

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
MOST_STRENGTHS, MOST_FRAMES = 8, 9
AUTO, WHOLE = "auto", "whole"
# How long the restoration may take, in seconds, where nobody says.
PATIENCE_S, MOST_PATIENCE_S = 3.0, 600.0
NAMES = ("at", "crop", "strengths", "frames", "patience")


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a picture, in pixels of the source as it is displayed."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What to show.

    Attributes:
        at: seconds from the beginning of a video; None: somewhere in the middle that shows something.
        crop: a part; `auto`: the most detailed one, if the whole picture would take too long; `whole`: all of it, if
            that is not so.
        strengths: each 0…1; the plain resize comes besides.
        frames: how many neighbouring frames to show.
        patience: how many seconds the restoration may take about; None: as long as it takes.
    """

    at: float | None = None
    crop: Crop | str = AUTO
    strengths: tuple[float, ...] = STRENGTHS
    frames: int = 1
    patience: float | None = PATIENCE_S

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """A wish from a form, JSON or the command line; what is absent or empty takes its default.

        Raises:
            OptionError: a name is unknown, or a value is not one that it takes.
        """
        for name in values:
            if name not in NAMES:
                raise OptionError(name, f"A preview has no {name!r}. Known: {', '.join(NAMES)}.")
        given = {name: value for name, value in values.items() if value is not None and str(value).strip()}
        parsed: dict[str, Any] = {}
        if "at" in given:
            parsed["at"] = _number("at", given["at"], 0, math.inf, "a time in seconds from 0 up")
        if "crop" in given:
            parsed["crop"] = _crop(given["crop"])
        if "strengths" in given:
            parsed["strengths"] = _strengths(given["strengths"])
        if "frames" in given:
            takes = f"a whole number from 1 to {MOST_FRAMES}"
            frames = _number("frames", given["frames"], 1, MOST_FRAMES, takes)
            if not frames.is_integer():
                raise _refusal("frames", takes, given["frames"])
            parsed["frames"] = int(frames)
        if "patience" in given:
            takes = f"a number of seconds from 0.5 to {MOST_PATIENCE_S:g}"
            parsed["patience"] = _number("patience", given["patience"], 0.5, MOST_PATIENCE_S, takes)
        return cls(**parsed)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `parse` takes it."""
        crop = self.crop
        if isinstance(crop, Crop):
            crop = ",".join(str(value) for value in (crop.x, crop.y, crop.width, crop.height))
        return {
            "at": self.at, "crop": crop, "strengths": list(self.strengths), "frames": self.frames,
            "patience": self.patience,
        }  # fmt: skip


def _number(name: str, value: Any, low: float, high: float, takes: str) -> float:
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high or math.isinf(number):
        raise _refusal(name, takes, value)
    return number


def _crop(value: Any) -> Crop | str:
    if isinstance(value, str) and value.strip().lower() in (AUTO, WHOLE):
        return value.strip().lower()
    parts = value if isinstance(value, Sequence) and not isinstance(value, str) else str(value).split(",")
    try:
        x, y, width, height = (int(part) for part in parts)
    except (TypeError, ValueError):
        x = y = width = height = -1
    if min(x, y) < 0 or min(width, height) < 1:
        raise _refusal("crop", "auto, whole, or x,y,width,height in pixels of the source", value)
    return Crop(x, y, width, height)


def _strengths(value: Any) -> tuple[float, ...]:
    parts = value if isinstance(value, Sequence) and not isinstance(value, str) else str(value).split(",")
    takes = f"up to {MOST_STRENGTHS} numbers from 0 to 1, with commas between them"
    found = tuple(dict.fromkeys(_number("strengths", part, 0, 1, takes) for part in parts))
    if len(found) > MOST_STRENGTHS:
        raise _refusal("strengths", takes, value)
    return found


def _refusal(name: str, takes: str, value: Any) -> OptionError:
    return OptionError(name, f"{name} takes {takes}, not {str(value)[:80]!r}.")
