"""The segments of a JPEG file, and whether one that lacks its end is whole all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

END = b"\xff\xd9"
COM, SOS, EOI = 0xFE, 0xDA, 0xD9
# Markers without data: restarts, the beginning, and one for arithmetic coding.
_ALONE = frozenset((*range(0xD0, 0xD9), 0x01))
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
# Within a scan, a byte of 255 is followed by a zero or by a restart.
_AFTER_SCAN = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
_COEFFICIENTS = 64


class Segment(NamedTuple):
    """A segment: its marker without the 0xFF, and where its data, after the length, begin and end."""

    marker: int
    start: int
    end: int


def read_segments(data: bytes) -> Iterator[Segment]:
    """The segments of the first picture in `data`, to its end marker or as far as they go."""
    position, pattern = 2, _MARKER
    while found := pattern.search(data, position):
        marker, position, pattern = found[1][0], found.end(), _MARKER
        if marker in _ALONE:
            continue
        if marker == EOI:
            yield Segment(marker, position, position)
            return
        length = int.from_bytes(data[position : position + 2], "big")
        if length < 2 or position + length > len(data):
            return
        yield Segment(marker, position + 2, position + length)
        position += length
        if marker == SOS:
            pattern = _AFTER_SCAN


def has_all_scans(data: bytes) -> bool:
    """Whether scans for every coefficient of every component have begun, to their last bit."""
    components = 0
    missing: dict[int, list[int]] = {}
    for segment in read_segments(data):
        body = data[segment.start : segment.end]
        if 0xC0 <= segment.marker <= 0xCF and segment.marker not in (0xC4, 0xC8, 0xCC) and len(body) > 5:
            components = body[5]
        if segment.marker == SOS and body:
            count = body[0]
            if len(body) < 4 + 2 * count:
                return False
            first, last, bits = body[-3], body[-2], body[-1] & 15
            for index in range(count):
                left = missing.setdefault(body[1 + 2 * index], [1] * _COEFFICIENTS)
                left[first : last + 1] = [bits] * (min(last, _COEFFICIENTS - 1) + 1 - first)
    return 0 < components == len(missing) and not any(any(bits) for bits in missing.values())
