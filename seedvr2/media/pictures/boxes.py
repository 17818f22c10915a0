"""The boxes of ISO media files (AVIF, HEIF, JPEG 2000): nested, each with its size and its kind."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_CONTAINERS_WITH_VERSION = frozenset((b"meta",))


class Box(NamedTuple):
    """A box: its kind, its bytes behind the header, and what `uuid` boxes are called by."""

    kind: bytes
    body: bytes
    name: bytes = b""


def boxes(data: bytes) -> Iterator[Box]:
    """The boxes that follow each other in `data`, as far as they are whole."""
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if size == 1 and start + 8 <= len(data):
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = position + size if size else len(data)
        if end > len(data) or end < start:
            return
        name = b""
        if kind == b"uuid":
            name, start = data[start : start + 16], start + 16
        yield Box(kind, data[start:end], name)
        position = end


def jpeg2000_depth(data: bytes) -> int:
    """Bits per sample of a JPEG 2000 file or codestream; 8 where it does not say."""
    # The codestream's own word: some programs write another number into the box before it.
    start = data.find(b"\xff\x4f\xff\x51")
    return (data[start + 42] & 127) + 1 if 0 <= start < len(data) - 42 else 8


def find(data: bytes, *path: bytes) -> bytes | None:
    """The body of the first box at a path of kinds; None if it is not there."""
    for kind in path:
        found = next((box.body for box in boxes(data) if box.kind == kind), None)
        if found is None:
            return None
        data = found[4:] if kind in _CONTAINERS_WITH_VERSION else found
    return data
