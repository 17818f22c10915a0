"""A part of the resized picture that is worked on in place of the whole."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """Pixels of `Sizes.resized`, the far edges exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    def within(self, outer: Region) -> Region:
        """The same, counted from the corner of another one."""
        return Region(self.left - outer.left, self.top - outer.top, self.right - outer.left, self.bottom - outer.top)
