"""The eight ways a camera can have been held, as array operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Orientation:
    """Makes stored pixels upright: transpose first, then mirror left-right (`flip_x`) and top-bottom (`flip_y`)."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def apply(self, image: NDArray[Sample]) -> NDArray[Sample]:
        """The upright image, contiguous in memory. (H, W, C) becomes (W, H, C) where axes are swapped."""
        if self.transpose:
            image = image.swapaxes(0, 1)
        if self.flip_x:
            image = image[:, ::-1]
        if self.flip_y:
            image = image[::-1]
        return np.ascontiguousarray(image)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright image."""
        return (height, width) if self.transpose else (width, height)


_EXIF = {
    2: Orientation(flip_x=True),
    3: Orientation(flip_x=True, flip_y=True),
    4: Orientation(flip_y=True),
    5: Orientation(transpose=True),
    6: Orientation(transpose=True, flip_x=True),
    7: Orientation(transpose=True, flip_x=True, flip_y=True),
    8: Orientation(transpose=True, flip_y=True),
}


def exif_orientation(value: object) -> Orientation:
    """The meaning of EXIF tag 0x0112; unknown values mean upright, as viewers take them."""
    return _EXIF.get(value, Orientation()) if isinstance(value, int) else Orientation()


def display_orientation(matrix: bytes) -> Orientation:
    """The meaning of a video's display matrix: nine int32, a point (x, y) goes to (ax + cy, bx + dy).

    Angles that are no multiple of 90° are taken to the nearest one.
    """
    a, b, _, c, d = np.frombuffer(matrix, np.int32, 5).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(flip_x=a < 0, flip_y=d < 0)
    return Orientation(transpose=True, flip_x=c < 0, flip_y=b < 0)
