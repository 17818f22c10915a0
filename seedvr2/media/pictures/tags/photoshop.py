"""Photoshop's image resources, in which JPEG and TIFF files carry IPTC metadata and clipping paths."""

from __future__ import annotations

import struct
from collections.abc import Iterator

HEADER = b"Photoshop 3.0\0"
_MARK, _IPTC = b"8BIM", 0x0404
# What stays true of a picture of any size: IPTC, the copyright's flag and address, and paths, which are fractions.
_PATHS = range(2000, 3000)
_KEPT = frozenset((_IPTC, 0x040A, 0x040B, *_PATHS))


def kept_resources(data: bytes) -> bytes | None:
    """The resources that go with a result; None if there are none. What is damaged ends them."""
    kept = b"".join(resource for number, resource in _resources(data) if number in _KEPT)
    return kept or None


def resource_items(data: bytes | None) -> frozenset[str]:
    """Which of `iptc` and `path` are in resources."""
    numbers = {number for number, _ in _resources(data or b"")}
    found = {"iptc"} if _IPTC in numbers else set()
    return frozenset(found | ({"path"} if numbers.intersection(_PATHS) else set()))


def of_iptc(data: bytes) -> bytes:
    """The resource that holds an IPTC record."""
    return _MARK + struct.pack(">HHI", _IPTC, 0, len(data)) + data + bytes(len(data) % 2)


def iptc_of(data: bytes) -> bytes | None:
    """The IPTC record in resources; None without one."""
    for number, resource in _resources(data):
        if number == _IPTC:
            start = _data_start(resource, 0)
            (size,) = struct.unpack_from(">I", resource, start - 4)
            return resource[start : start + size]
    return None


def _resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Numbers, and whole resources with their headers."""
    position = 0
    while data[position : position + 4] == _MARK and position + 12 <= len(data):
        (number,) = struct.unpack_from(">H", data, position + 4)
        start = _data_start(data, position)
        if start > len(data):
            return
        (size,) = struct.unpack_from(">I", data, start - 4)
        end = start + size
        if end > len(data):
            return
        yield number, data[position:end] + bytes(size % 2)
        position = end + size % 2


def _data_start(data: bytes, position: int) -> int:
    """Behind the resource's name, which is padded to an even length, and its size."""
    name = 1 + data[position + 6]
    return position + 6 + name + name % 2 + 4
