"""The boxes of an mp4 or QuickTime file (ISO/IEC 14496-12), for what PyAV does not show of them.

    with path.open("rb") as file:
        for box in walk(file):
            if box.path[-2:] == ("avc1", "clap"):
                numbers = struct.unpack(">8I", payload(file, box, 32))

No number in the file is believed: a box ends where the one around it does, and there are only so many.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_MOST_BOXES, _MOST_DEPTH = 20_000, 16
_MOST_BYTES = 1 << 16
# Boxes that hold nothing but boxes.
_PLAIN = frozenset({"moov", "trak", "mdia", "minf", "stbl", "udta", "edts", "sinf", "schi", "gmhd", "mvex", "tapt"})
_PLAIN |= {"sv3d", "proj", "vexu", "eyes", "tref"}
# What comes before the boxes in these, in bytes.
_AFTER = {"stsd": 8}
# A sample description: what comes before its boxes, by the kind of track.
_PICTURE_ENTRY, _SOUND_ENTRY = 78, 28
# QuickTime's sounds of version 1 and 2 have more numbers.
_SOUND_VERSIONS = {1: 16, 2: 36}


@dataclass(frozen=True, slots=True)
class Box:
    """A box of a file.

    Attributes:
        path: the kinds from the outermost box to this one: `("moov", "trak", "tkhd")`. Bytes are read as Latin-1.
        offset, size: of its payload in the file, in bytes; `size` never reaches beyond the box around it.
        track: the track's ID, which PyAV calls `stream.id`; 0 outside of tracks.
        handler: what kind of track it is: `vide`, `soun`, `tmcd`…; empty outside of tracks.
    """

    path: tuple[str, ...]
    offset: int
    size: int
    track: int = 0
    handler: str = ""

    @property
    def kind(self) -> str:
        """Its own four letters."""
        return self.path[-1]


def walk(file: BinaryIO) -> Iterator[Box]:
    """All boxes from the beginning to the end, each before what is in it; none of a file that is something else.

    Reading the file between two of them does no harm.
    """
    end = file.seek(0, os.SEEK_END)
    for count, box in enumerate(_inside(file, Box((), 0, end)), 1):
        yield box
        if count == _MOST_BOXES:
            return


def payload(file: BinaryIO, box: Box, most: int = _MOST_BYTES) -> bytes:
    """What a box holds, up to `most` bytes of it; fewer than its size where the file ends early."""
    file.seek(box.offset)
    return file.read(min(box.size, most))


def _inside(file: BinaryIO, parent: Box) -> Iterator[Box]:
    for box in _children(file, parent, parent.offset):
        if box.kind == "trak":
            box = _identified(file, box)
        yield box
        start = _first_child(file, box)
        if start is not None and len(box.path) < _MOST_DEPTH:
            yield from _inside(
                file, Box(box.path, start, max(0, box.offset + box.size - start), box.track, box.handler)
            )


def _children(file: BinaryIO, parent: Box, start: int) -> Iterator[Box]:
    end = parent.offset + parent.size
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        if len(head) < 8:
            return
        size, kind, header = int.from_bytes(head[:4], "big"), head[4:8].decode("latin-1"), 8
        if size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:
            size = end - start
        if size < header:
            return
        stop = min(start + size, end)
        yield Box((*parent.path, kind), start + header, max(0, stop - start - header), parent.track, parent.handler)
        start = stop


def _identified(file: BinaryIO, track: Box) -> Box:
    number, handler = 0, ""
    for box in _children(file, track, track.offset):
        if box.kind == "tkhd":
            head = payload(file, box, 24)
            place = 20 if head[:1] == b"\1" else 12
            number = int.from_bytes(head[place : place + 4], "big")
        elif box.kind == "mdia":
            named = next((inner for inner in _children(file, box, box.offset) if inner.kind == "hdlr"), None)
            handler = payload(file, named, 12)[8:].decode("latin-1") if named else ""
    return Box(track.path, track.offset, track.size, number, handler)


def _first_child(file: BinaryIO, box: Box) -> int | None:
    """Where the boxes in a box begin; None if it holds none."""
    if len(box.path) > 1 and box.path[-2] == "stsd":
        return _first_in_entry(file, box)
    if box.kind in _PLAIN:
        return box.offset
    if box.kind == "meta":
        # QuickTime's begins at once; ISO's has a version before.
        return box.offset + (0 if payload(file, box, 8)[4:] == b"hdlr" else 4)
    return box.offset + _AFTER[box.kind] if box.kind in _AFTER else None


def _first_in_entry(file: BinaryIO, box: Box) -> int | None:
    if box.handler == "vide":
        return box.offset + _PICTURE_ENTRY
    if box.handler != "soun":
        return None
    head = payload(file, box, 10)
    version = struct.unpack(">H", head[8:10])[0] if len(head) == 10 else 0
    return box.offset + _SOUND_ENTRY + _SOUND_VERSIONS.get(version, 0)
