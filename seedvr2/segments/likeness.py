"""How unlike two frames are, however the camera moved and the light changed between them.

Three measures of small pictures together, each of which is taken in by something that another one sees through:
what of one picture's texture no part of the other nearby explains, in both directions; how light and dark are spread
over the picture; and which colours are in it. What brightens, darkens or lessens the contrast of a whole picture
changes none of them by much, and grain is averaged away at this size.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from seedvr2.media.info import Pixels
from seedvr2.media.thumbnail import Thumbnail, thumbnail

# Of the pictures that are compared.
WIDTH, HEIGHT = 64, 36
_ACROSS, _DOWN = 8, 6  # a block's size
_REACH_X, _REACH_Y = 8, 5  # how far a block is looked for: an eighth of the picture each way
_RADIUS = 6  # what is larger than this is the spread of light, what is smaller is texture
# The variance of a pixel that is no texture: rounding, and what is left of noise.
_NOISE = 0.5
# How much each measure counts; fitted to transitions that `benchmarks/cuts.py` made of other photographs than it tests.
_TEXTURE, _LIGHT, _COLOURS, _LEVEL = 0.45, 0.35, 0.2, 0.5
_FLAT = 2.0  # levels of contrast of a picture that has about no texture
_MIXED = 0.1  # of a picture: the least that shows through, and the most that is not explained so
_BLACK = 12  # levels of what is in a black bar, at most
_CELL = 12  # levels of chroma that are one colour
_CELLS = 256 // _CELL + 1

Floats = npt.NDArray[np.float32]


def small_picture(image: Pixels) -> Thumbnail:
    """A frame (H, W, 3 or 4), uint8 or uint16, as `Likeness` takes it."""
    return thumbnail(image, WIDTH, HEIGHT)


class Likeness:
    """One small picture, made ready to be compared with others.

    Attributes:
        contrast: the standard deviation of its texture, in levels of 255.
    """

    def __init__(self, picture: Thumbnail) -> None:
        """Takes (HEIGHT, WIDTH, 3) RGB, such as `small_picture` gives."""
        rgb = _without_bars(picture).astype(np.float32)
        self._luma = luma = rgb @ np.array((0.299, 0.587, 0.114), np.float32)
        light = _mean_around(luma)
        texture = luma - light
        self.contrast = float(texture.std())
        self._level = float(light.mean())
        self._light = light - self._level
        self._unevenness = float(np.sqrt((self._light**2).mean()))
        self._blocks = _in_blocks(texture)
        self._energy = (self._blocks**2).sum(axis=1)
        self._padded = np.pad(texture, ((_REACH_Y, _REACH_Y), (_REACH_X, _REACH_X)), mode="reflect")
        self._colours = _histogram((rgb[..., 2] - luma) * 0.564, (rgb[..., 0] - luma) * 0.713)

    def distance(self, other: Likeness) -> float:
        """How unlike they are: 0 (the same) to about 1."""
        gain = min(max((other.contrast + 0.5) / (self.contrast + 0.5), 1 / 3), 3.0)
        texture = (self._unexplained(other, gain) + other._unexplained(self, 1 / gain)) / 2
        apart = float(np.sqrt(((self._light - other._light) ** 2).mean()))
        light = apart / (self._unevenness + other._unevenness + 2)
        colours = float(np.abs(self._colours - other._colours).sum()) / 2
        level = abs(self._level - other._level) / 255
        # Of pictures without texture nothing is unexplained, which says nothing: their colours have to.
        flat = 1 / (1 + (max(self.contrast, other.contrast) / _FLAT) ** 2)
        return _TEXTURE * texture + _LIGHT * light + (_COLOURS + _TEXTURE * flat) * colours + _LEVEL * level

    def is_mixture(self, one: Likeness, another: Likeness) -> bool:
        """Whether it is the two others at once, the one showing through the other."""
        apart, rest = one._luma - another._luma, self._luma - another._luma
        span = float((apart**2).sum()) + 1e-6
        share = float((apart * rest).sum()) / span
        left = float(((rest - share * apart) ** 2).sum()) / span
        return _MIXED < share < 1 - _MIXED and left < _MIXED

    def _unexplained(self, other: Likeness, gain: float) -> float:
        """The share of the other's texture that nothing of this one, with its contrast times `gain`, comes close to."""
        shifted, energy = self._shifted
        alike = np.matmul(shifted, other._blocks[:, :, None])[:, :, 0]
        left = (gain * gain * energy - 2 * gain * alike).min(axis=1) + other._energy
        share = np.minimum(left / (other._energy + _ACROSS * _DOWN * _NOISE), 1)
        weights = np.sqrt(other._energy + 1e-3)
        return float((share * weights).sum() / weights.sum())

    @cached_property
    def _shifted(self) -> tuple[Floats, Floats]:
        """What lies around each block: (block, shift, pixel), and the energy of each (block, shift)."""
        around = self._padded.ravel()[_SHIFTS]
        return around, np.einsum("bsp,bsp->bs", around, around)


def _without_bars(picture: Thumbnail) -> Thumbnail:
    """The picture with its outermost rows and columns in place of black bars, which are alike in all shots."""
    light = picture.max(axis=2)
    for axis, edge in enumerate(light.shape):
        lit = np.flatnonzero(light.max(axis=1 - axis) > _BLACK)
        bar = min(int(lit[0]), edge - 1 - int(lit[-1])) if len(lit) else 0
        if bar:
            # What is next to a bar has a part of it.
            inner = np.linspace(bar + 1, max(edge - 2 - bar, bar + 1), edge).round().astype(np.intp)
            picture = picture.take(inner, axis)
    return picture


def _in_blocks(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(HEIGHT, WIDTH) as (block, pixel)."""
    rows = plane.reshape(HEIGHT // _DOWN, _DOWN, WIDTH // _ACROSS, _ACROSS)
    return rows.transpose(0, 2, 1, 3).reshape(-1, _DOWN * _ACROSS)


def _shifts() -> npt.NDArray[np.intp]:
    """Where in a padded plane the pixels of each block are, for every shift: (block, shift, pixel)."""
    stride = WIDTH + 2 * _REACH_X
    pixels = _in_blocks(np.arange(HEIGHT)[:, None] * stride + np.arange(WIDTH))
    moves = np.arange(2 * _REACH_Y + 1)[:, None] * stride + np.arange(2 * _REACH_X + 1)
    return np.asarray(pixels[:, None, :] + moves.reshape(1, -1, 1), dtype=np.intp)


_SHIFTS = _shifts()


def _mean_around(plane: Floats) -> Floats:
    """The mean of the square around each pixel."""
    edge = 2 * _RADIUS + 1
    sums = np.pad(plane, _RADIUS, mode="edge").astype(np.float64)
    for axis in range(2):
        running = np.insert(sums.cumsum(axis), 0, 0, axis)
        sums = np.take(running, range(edge, running.shape[axis]), axis) - np.take(
            running, range(running.shape[axis] - edge), axis
        )
    return (sums / edge**2).astype(np.float32)


def _histogram(blue: Floats, red: Floats) -> Floats:
    """How often each colour is in the picture, shares smoothed so that a slight change of hue moves little."""
    cells = ((blue + 128) / _CELL).astype(np.intp) * _CELLS + ((red + 128) / _CELL).astype(np.intp)
    counts = np.bincount(cells.ravel(), minlength=_CELLS**2).reshape(_CELLS, _CELLS)
    padded = np.pad(counts / cells.size, 1)
    padded = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return ((padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 16).astype(np.float32)
