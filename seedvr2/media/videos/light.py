"""What an HDR10 video says of its light: the display that it was mastered on, and its brightest pixel and frame."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

# FFmpeg's structures: numerators and denominators of red, green, blue, white, each x and y, of the least and of the
# most luminance; then whether there are primaries, and luminances.
_DISPLAY = struct.Struct("=20i2i")
_LEVELS = struct.Struct("=2I")
COORDINATE, LUMINANCE = 50_000, 10_000  # units of SMPTE ST 2086, in each of 1 and of a candela per square metre


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

    def svtav1(self) -> str:
        """As parameters of SVT-AV1, parted by colons; empty if nothing is stated."""
        parameters = []
        if self.display:
            units = [COORDINATE] * 8 + [LUMINANCE] * 2
            numbers = [f"{value / unit:.5f}" for value, unit in zip(self.display, units, strict=True)]
            red, green, blue, white, luminance = (",".join(numbers[start : start + 2]) for start in range(0, 10, 2))
            parameters.append(f"mastering-display=G({green})B({blue})R({red})WP({white})L({luminance})")
        if self.levels:
            parameters.append(f"content-light={self.levels[0]},{self.levels[1]}")
        return ":".join(parameters)


def read_light(side_data: Mapping[str, bytes]) -> Light:
    """What a decoded frame states; `side_data` as in `side_data.py`."""
    display, levels = side_data.get("MASTERING_DISPLAY_METADATA", b""), side_data.get("CONTENT_LIGHT_LEVEL", b"")
    return Light(
        _display(_DISPLAY.unpack_from(display)) if len(display) >= _DISPLAY.size else (),
        _LEVELS.unpack_from(levels) if len(levels) >= _LEVELS.size else (),
    )


def _display(numbers: tuple[int, ...]) -> tuple[int, ...]:
    *fractions, primaries, luminances = numbers
    # x265 takes all of it or nothing.
    if not primaries or not luminances or 0 in fractions[1::2]:
        return ()
    units = [COORDINATE] * 8 + [LUMINANCE] * 2
    values = [
        round(numerator * unit / denominator)
        for numerator, denominator, unit in zip(fractions[::2], fractions[1::2], units, strict=True)
    ]
    least, most = values[8:]
    return (*values[:8], most, least)
