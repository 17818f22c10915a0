"""One row of the table "what came in, what went out"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """What becomes of an item of a source in a result of some format."""

    KEPT = "kept"
    ADJUSTED = "adjusted"  # kept, and brought up to date: its size, its orientation, its clock
    APPLIED = "applied"  # done to the pixels or the times, so that the result needs it no more
    TOLD = "left out, with a warning"


@dataclass(frozen=True, slots=True)
class Item:
    """Something that a source can carry beside its samples.

    Attributes:
        key: short name, unique in its table: `xmp`.
        name: as it is called in warnings and in the documentation: `XMP metadata`.
        fates: by format of the result, such as `png` or `mp4`; what stands under no format is told.
        note: a sentence of the documentation on how, or why not; may be empty.
    """

    key: str
    name: str
    fates: Mapping[str, Fate]
    note: str = ""

    def fate(self, result: str) -> Fate:
        """What becomes of it in a result of that format."""
        return self.fates.get(result, Fate.TOLD)

    def left_out(self, result: str, why: str = "") -> str:
        """The warning that it is not in the result."""
        reason = why or f"a {result} file made here does not hold it"
        return f"{self.name[:1].upper()}{self.name[1:]} of the source was left out: {reason}."
