"""Puts elements and boxes into finished files, which FFmpeg does not write."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

# Of Matroska, those on the way to what describes the pictures.
SEGMENT, TRACKS, ENTRY, VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
MAPPING, MAPPING_TYPE, MAPPING_DATA = 0x41E4, 0x41E7, 0x41ED
_PLAIN = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}


def element(identity: int, data: bytes) -> bytes:
    """One element of Matroska."""
    name = identity.to_bytes((identity.bit_length() + 7) // 8, "big")
    return name + (len(data) | 1 << 56).to_bytes(8, "big") + data


def patch_matroska(path: Path, extra: Mapping[int, bytes], without: frozenset[int] = frozenset()) -> Path:
    """Appends elements to each master of that ID, and drops others from all of them, in place."""
    path.write_bytes(_elements(path.read_bytes(), extra, without))
    return path


def patch_mp4(path: Path, entry: bytes = b"", shown: tuple[int, int] | None = None, drop: bytes = b"") -> Path:
    """Appends boxes to each sample description, sets the size that its tracks are shown in, drops boxes, in place."""
    path.write_bytes(_boxes(path.read_bytes(), entry, shown, drop, described=False))
    return path


def box(kind: bytes, data: bytes) -> bytes:
    """One box of mp4."""
    return struct.pack(">I4s", 8 + len(data), kind) + data


def _elements(data: bytes, extra: Mapping[int, bytes], without: frozenset[int]) -> bytes:
    result, place = b"", 0
    while place < len(data):
        identity, width = _number(data, place, keep=True)
        size, length = _number(data, place + width, keep=False)
        start = place + width + length
        body = data[start : start + size]
        if identity in (SEGMENT, TRACKS, ENTRY, VIDEO):
            body = _elements(body, extra, without) + extra.get(identity, b"")
        if identity not in without:
            result += element(identity, body)
        place = start + size
    return result


def _number(data: bytes, place: int, *, keep: bool) -> tuple[int, int]:
    width = 9 - data[place].bit_length()
    value = int.from_bytes(data[place : place + width], "big")
    return (value if keep else value & (1 << 7 * width) - 1), width


def _boxes(data: bytes, entry: bytes, shown: tuple[int, int] | None, drop: bytes, *, described: bool) -> bytes:
    result, place = b"", 0
    while place + 8 <= len(data):
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        body = data[place + 8 : place + size]
        if kind in _PLAIN:
            body = _boxes(body, entry, shown, drop, described=False)
        elif kind == b"stsd":
            body = body[:8] + _boxes(body[8:], entry, shown, drop, described=True)
        elif kind == b"tkhd" and shown:
            body = body[:-8] + struct.pack(">II", shown[0] << 16, shown[1] << 16)
        elif described:
            body = body[:78] + _boxes(body[78:], b"", None, drop, described=False) + entry
        if kind != drop:
            result += box(kind, body)
        place += size
    return result
