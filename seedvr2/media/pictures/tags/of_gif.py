"""The XMP of a GIF, which Pillow passes over."""

from __future__ import annotations

import mmap
from pathlib import Path

# An application extension, of which the packet is not cut into blocks: what follows it leads any reader to its end.
_START, _TRAILER = b"\x21\xff\x0bXMP DataXMP", b"\x01\xff\xfe\xfd"
_MAX_BYTES = 1 << 24


def read_gif_xmp(path: Path) -> bytes | None:
    """The XMP packet of a GIF, as Adobe's specification part 3 has it there; None without one."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = data.find(_START)
        end = data.find(_TRAILER, start, start + _MAX_BYTES) if start >= 0 else -1
        return data[start + len(_START) : end] or None if end >= 0 else None
