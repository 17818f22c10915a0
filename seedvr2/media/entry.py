"""A place within a video at which reading may begin."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A key frame: its number from 0, its time in ticks, and a checksum of its first plane."""

    number: int
    pts: int
    check: int
