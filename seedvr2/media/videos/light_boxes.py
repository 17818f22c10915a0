"""What a video says of its light, as containers say it: boxes of mp4 and QuickTime, elements of Matroska and WebM."""

from __future__ import annotations

import struct

from seedvr2.media.videos.light import COORDINATE, LUMINANCE, Light
from seedvr2.media.videos.mkv_additions import element
from seedvr2.media.videos.mp4_additions import box

_MASTERING, _MAX_CLL, _MAX_FALL = b"\x55\xd0", b"\x55\xbc", b"\x55\xbd"
# Of x and y of red, green, blue and white, then of the most and the least luminance (RFC 9559).
_NUMBERS = range(0x55D1, 0x55DB)


def mp4_boxes(light: Light) -> bytes:
    """For the sample description: `mdcv` and `clli` of ISO/IEC 14496-12."""
    result = b""
    if light.display:
        red, green, blue, white = (light.display[start : start + 2] for start in range(0, 8, 2))
        result += box("mdcv", struct.pack(">8H2I", *green, *blue, *red, *white, *light.display[8:]))
    if light.levels:
        result += box("clli", struct.pack(">2H", *(min(level, 0xFFFF) for level in light.levels)))
    return result


def mkv_elements(light: Light) -> bytes:
    """For the colours of a track."""
    result = b""
    if light.levels:
        pairs = zip((_MAX_CLL, _MAX_FALL), light.levels, strict=True)
        result += b"".join(element(identity, struct.pack(">I", level)) for identity, level in pairs)
    if light.display:
        units = [COORDINATE] * 8 + [LUMINANCE] * 2
        numbers = (value / unit for value, unit in zip(light.display, units, strict=True))
        parts = [
            element(struct.pack(">H", identity), struct.pack(">d", number))
            for identity, number in zip(_NUMBERS, numbers, strict=True)
        ]
        result += element(_MASTERING, b"".join(parts))
    return result
