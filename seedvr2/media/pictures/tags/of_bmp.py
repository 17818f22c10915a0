"""The colour profile in a BMP, which Pillow passes over."""

from __future__ import annotations

import struct
from pathlib import Path

_FILE_HEADER, _V5 = 14, 124
_COLOR_SPACE, _PROFILE = _FILE_HEADER + 56, _FILE_HEADER + 112


def read_bmp_profile(path: Path) -> bytes | None:
    """The embedded ICC profile; None without one. Raises struct.error."""
    data = path.read_bytes()
    if len(data) < _FILE_HEADER + _V5 or struct.unpack_from("<I", data, _FILE_HEADER) != (_V5,):
        return None
    # LCS profiles are named backwards: MBED.
    if data[_COLOR_SPACE : _COLOR_SPACE + 4] != b"DEBM":
        return None
    offset, size = struct.unpack_from("<II", data, _PROFILE)
    return data[_FILE_HEADER + offset : _FILE_HEADER + offset + size] or None
