"""Boxes that FFmpeg's muxer does not write, put into a finished mp4 or QuickTime file.

A tag of the file holds the room for them until it is finished; so nothing behind them moves, and the frames stay where
the index has them.
"""

from __future__ import annotations

import os
import struct
from collections import defaultdict
from collections.abc import Iterable, MutableMapping
from pathlib import Path

from seedvr2.media.carried.boxes import walk

# Tags of which the muxers write one for a whole file; the first that the source has no text for holds the room.
_ROOM_TAGS = {"mp4": ("network", "synopsis", "show", "grouping"), "mov": ("xmp", "keywords", "genre", "copyright")}
# What a box has around such a text, in bytes: its head, and in mp4 that of its data.
_AROUND = {"mp4": 24, "mov": 12}
_MARK = b"room for what comes here "
_LEAST = 128
# Bytes of a description of pictures before its boxes (ISO/IEC 14496-12, 12.1.3).
_PICTURE_FIELDS = 78
_BEHIND = "file"
# More than this nobody writes into the head of a file.
MOST = 1 << 20
# What the places are in or the room is, and the bytes before the boxes in it.
_ENTERED = {"trak": 0, "mdia": 0, "minf": 0, "stbl": 0, "udta": 0, "meta": 4, "ilst": 0}


class Mp4Additions:
    """Collects boxes; `reserve` makes room for them before the header is written, `fill` puts them there."""

    def __init__(self, muxer: str) -> None:
        """`muxer`: `mp4` or `mov`."""
        self._muxer = muxer
        self._boxes: dict[tuple[str, int], bytes] = defaultdict(bytes)
        self._room = 0

    def add(self, place: str, boxes: bytes, track: int = 0) -> None:
        """Add boxes at the end of another one.

        Args:
            place: `moov`, `udta`, the `file`; or of the `track` with that number from 1: `trak`, `mdia`, or `entry`,
                which is its sample description.
            boxes: whole ones, made by `box`. track: 0 for the places outside of tracks.
        """
        self._boxes[place, track] += boxes

    @property
    def size(self) -> int:
        """Bytes for which room is needed."""
        return sum(len(boxes) for (place, _), boxes in self._boxes.items() if place != _BEHIND)

    def room_tag(self, tags: Iterable[str]) -> str:
        """The tag that holds the room: one that is not among these, if there is such; else its own text makes way."""
        taken = {name.lower() for name in tags}
        names = _ROOM_TAGS[self._muxer]
        return next((name for name in names if name not in taken), names[0])

    def reserve(self, tags: MutableMapping[str, str]) -> None:
        """Make room in the tags of the output, which have all else in them already."""
        if not self.size:
            return
        around = _AROUND[self._muxer]
        if (spare := _LEAST - self.size) > 0:
            self.add("moov", box("free", bytes(max(0, spare - 8))))
        self._room = self.size
        name = self.room_tag(tags)
        length = self._room - (8 if name == "xmp" else around)
        for key in [key for key in tags if key.lower() == name]:
            del tags[key]
        tags[name] = (_MARK * (length // len(_MARK) + 1))[:length].decode()

    def fill(self, path: Path) -> None:
        """Put the boxes into the finished file.

        Raises:
            ValueError: the room is not there.
        """
        if not self._room and (_BEHIND, 0) not in self._boxes:
            return
        with path.open("r+b") as file:
            movie = next((found for found in walk(file) if found.path == ("moov",)), None)
            if movie is None:
                raise ValueError("it has no index")
            file.seek(movie.offset)
            before = file.read(movie.size)
            after = self._rewritten(before, ("moov",), 0) + self._boxes.get(("moov", 0), b"")
            if len(after) != len(before):
                raise ValueError(f"{len(after) - len(before)} bytes do not fit in")
            file.seek(movie.offset)
            file.write(after)
            file.seek(0, os.SEEK_END)
            file.write(self._boxes.get((_BEHIND, 0), b""))
            file.flush()
            os.fsync(file.fileno())

    def _rewritten(self, boxes: bytes, path: tuple[str, ...], track: int) -> bytes:
        """The boxes that are at a path, with what was added to them, and without the room."""
        result = b""
        for kind, inner in split(boxes):
            track += kind == "trak"
            if self._room and len(inner) + 8 == self._room and inner.find(_MARK, 0, 64) >= 0:
                continue
            if kind == "stsd":
                added = self._boxes.get(("entry", track), b"")
                inner = inner[:8] + b"".join(box(entry, _extended(fields, added)) for entry, fields in split(inner[8:]))
            elif kind in _ENTERED:
                head = _ENTERED[kind]
                inner = inner[:head] + self._rewritten(inner[head:], (*path, kind), track)
            if path == ("moov",) or kind == "mdia":
                inner += self._boxes.get((kind, track if kind in ("trak", "mdia") else 0), b"")
            result += box(kind, inner)
        return result


def _extended(fields: bytes, added: bytes) -> bytes:
    """The description of pictures with boxes added behind its own; what follows those, as for DNxHR, is an end mark."""
    place = _PICTURE_FIELDS
    while added and 8 <= (size := int.from_bytes(fields[place : place + 4], "big")) <= len(fields) - place:
        place += size
    return fields[:place] + added + fields[place:] if added else fields


def box(kind: str, inner: bytes) -> bytes:
    """A box of that kind."""
    return struct.pack(">I", len(inner) + 8) + kind.encode("latin-1") + inner


def split(boxes: bytes) -> list[tuple[str, bytes]]:
    """Kinds and contents of boxes with sizes of 32 bits, one after the other.

    Raises:
        ValueError: they are not.
    """
    found, place = [], 0
    while place < len(boxes):
        size = int.from_bytes(boxes[place : place + 4], "big")
        if not 8 <= size <= len(boxes) - place:
            raise ValueError("not boxes")
        found.append((boxes[place + 4 : place + 8].decode("latin-1"), boxes[place + 8 : place + size]))
        place += size
    return found
