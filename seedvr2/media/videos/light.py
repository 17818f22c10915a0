"""What an HDR10 video says of its light: the display that it was mastered on, and its brightest pixel and frame."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import av
from av.sidedata.sidedata import Type as SideDataType

# FFmpeg's structures: numerators and denominators of red, green, blue, white, each x and y, of the least and of the
# most luminance; then whether there are primaries, and luminances.
_DISPLAY = struct.Struct("=20i2i")
_LEVELS = struct.Struct("=2I")
_COORDINATE, _LUMINANCE = 50_000, 10_000  # units of SMPTE ST 2086, in each of 1 and of a candela per square metre


@dataclass(frozen=True, slots=True)
class Light:
    """In the units of SMPTE ST 2086.

    Attributes:
        display: x and y of red, green, blue and white, then the most and the least luminance; empty if not stated.
        levels: the most of a pixel and the most of a frame's mean, in cd/m²; empty if not stated.
    """

    display: tuple[int, ...] = ()
    levels: tuple[int, ...] = ()

    def x265(self) -> str:
        """As parameters of x265, parted by colons; empty if nothing is stated."""
        parameters = []
        if self.display:
            red, green, blue, white, luminance = (self.display[start : start + 2] for start in range(0, 10, 2))
            named = {"G": green, "B": blue, "R": red, "WP": white, "L": luminance}
            parameters.append("master-display=" + "".join(f"{name}({x},{y})" for name, (x, y) in named.items()))
        if self.levels:
            parameters.append(f"max-cll={self.levels[0]},{self.levels[1]}")
        return ":".join(parameters)


def read_light(frame: av.VideoFrame) -> Light:
    """What a decoded frame states."""
    display: tuple[int, ...] = ()
    levels: tuple[int, ...] = ()
    entries: Any = frame.side_data  # typed as a dict, but it iterates over its values
    for entry in entries:
        data = bytes(entry)
        if entry.type is SideDataType.MASTERING_DISPLAY_METADATA and len(data) >= _DISPLAY.size:
            display = _display(_DISPLAY.unpack_from(data))
        elif entry.type is SideDataType.CONTENT_LIGHT_LEVEL and len(data) >= _LEVELS.size:
            levels = _LEVELS.unpack_from(data)
    return Light(display, levels)


def _display(numbers: tuple[int, ...]) -> tuple[int, ...]:
    *fractions, primaries, luminances = numbers
    # x265 takes all of it or nothing.
    if not primaries or not luminances or 0 in fractions[1::2]:
        return ()
    units = [_COORDINATE] * 8 + [_LUMINANCE] * 2
    values = [
        round(numerator * unit / denominator)
        for numerator, denominator, unit in zip(fractions[::2], fractions[1::2], units, strict=True)
    ]
    least, most = values[8:]
    return (*values[:8], most, least)
