"""Tells a stream of JPEG pictures, which is a video, from one picture with something behind it."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

_START, _END = 0xD8, 0xD9
# ISO/IEC 10918-1 table B.1: frame headers, but for the tables and extensions among their codes.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# A marker within coded data: neither a stuffed byte, nor a restart, nor a filling byte.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def is_jpeg_stream(path: Path) -> bool:
    """Whether a file holds JPEG pictures of one size, one directly after the other.

    Several pictures in one file of a camera (MPO, gain maps) differ in size or say so in a marker, for which Pillow
    calls them MPO; ask for those that it calls JPEG.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        first = _picture(data, 0)
        second = _picture(data, first[1]) if first else None
        if first is None or second is None or first[0] != second[0]:
            return False
        rest = data[second[1] : second[1] + 2]
        return not rest or rest == b"\xff\xd8"


def _picture(data: mmap.mmap, start: int) -> tuple[bytes, int] | None:
    """Size and components of the picture that begins there, and the byte after it; None if there is no whole one."""
    if data[start : start + 2] != b"\xff\xd8":
        return None
    place, shape = start + 2, b""
    while (found := _MARKER.search(data, place)) is not None:
        marker = data[found.start() + 1]
        if marker == _END:
            return (shape, found.end()) if shape else None
        if marker == _START:
            return None
        length = int.from_bytes(data[found.end() : found.end() + 2], "big")
        if marker in _FRAMES:
            shape = data[found.end() + 3 : found.end() + 8]
        place = found.end() + max(2, length)
    return None
