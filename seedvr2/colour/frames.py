"""What the colour corrections are given: frames that are looked at one at a time."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Frames(Protocol):
    """Frames of one shape. A tensor is such a thing; so is what makes each frame when it is asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(frames, channels, height, width)"""

    def __getitem__(self, index: int, /) -> Tensor:
        """A frame (channels, height, width)."""
