"""What FFmpeg's muxer does not write into the tracks of a Matroska file, put there when the file is finished.

The name of a track holds the room for it until then; so nothing behind the tracks moves.
"""

from __future__ import annotations

import os
import zlib
from collections import defaultdict
from collections.abc import MutableMapping
from pathlib import Path

from seedvr2.media.carried.ebml import walk

CODEC_ID, CODEC_PRIVATE, PROJECTION, BIT_DEPTH = b"\x86", b"\x63\xa2", b"\x76\x70", b"\x62\x64"
_COLOUR = b"\x55\xb0"
_CRC, _VOID, _ENTRY, _NAME, _VIDEO, _AUDIO = b"\xbf", b"\xec", b"\xae", b"\x53\x6e", b"\xe0", b"\xe1"
_MARK = "room for what comes here "
# What the heads of the elements around may grow by, and the least that an empty element of any length takes.
_SPARE = 64


class MkvAdditions:
    """Collects elements; `reserve` makes room for them before the header is written, `fill` puts them there."""

    def __init__(self) -> None:
        self._entries: dict[int, bytes] = defaultdict(bytes)
        self._video: dict[int, bytes] = defaultdict(bytes)
        self._colour: dict[int, bytes] = defaultdict(bytes)
        self._codecs: dict[int, tuple[bytes, bytes]] = {}
        self._room = 0

    def add_entry(self, track: int, elements: bytes) -> None:
        """Add elements to the description of the track with that number from 1."""
        if elements:
            self._entries[track] += elements

    def add_video(self, track: int, elements: bytes) -> None:
        """Add elements to what is said of the pictures of the track with that number from 1."""
        if elements:
            self._video[track] += elements

    def add_colour(self, track: int, elements: bytes) -> None:
        """Add elements to what is said of the colours of the track with that number from 1."""
        if elements:
            self._colour[track] += elements

    def rename_codec(self, track: int, name: str, private: bytes) -> None:
        """Have a track of sound called by another codec's name, with what that codec wants to know."""
        self._codecs[track] = name.encode(), private

    @property
    def size(self) -> int:
        """Bytes collected."""
        named = sum(len(name) + len(private) for name, private in self._codecs.values())
        return named + sum(map(len, (*self._video.values(), *self._colour.values(), *self._entries.values())))

    def reserve(self, track_tags: MutableMapping[str, str]) -> None:
        """Make room in the tags of one track of the output, which have all else in them already."""
        if self.size:
            self._room = self.size + _SPARE * sum(
                len(kind) for kind in (self._entries, self._video, self._colour, self._codecs)
            )
            filler = (_MARK * (self._room // len(_MARK) + 1))[: self._room]
            track_tags["title"] = track_tags.get("title", "") + filler

    def fill(self, path: Path) -> None:
        """Put the elements into the finished file.

        Raises:
            ValueError: the room is not there.
        """
        if not self._room:
            return
        with path.open("r+b") as file:
            tracks = next((found for found in walk(file) if found.name == "Tracks"), None)
            if tracks is None:
                raise ValueError("it has no tracks")
            file.seek(tracks.offset)
            before = file.read(tracks.size)
            after = self._rewritten(before)
            file.seek(tracks.offset)
            file.write(
                after + _void(len(before) - len(after)) if not after.startswith(_CRC) else _checked(after, before)
            )
            file.flush()
            os.fsync(file.fileno())

    def _rewritten(self, tracks: bytes) -> bytes:
        result, number = b"", 0
        for identity, data in split(tracks):
            number += identity == _ENTRY
            result += element(identity, self._entry(data, number) if identity == _ENTRY else data)
        return result

    def _entry(self, entry: bytes, number: int) -> bytes:
        name, private = self._codecs.get(number, (b"", b""))
        result = b""
        for identity, data in split(entry):
            if identity == _NAME:
                data = data.partition(_MARK.encode())[0]
                if not data:
                    continue
            elif identity == _VIDEO:
                data = _with_colours(data, self._colour.get(number, b"")) + self._video.get(number, b"")
            elif name and identity == CODEC_ID:
                data = name
            elif name and identity == CODEC_PRIVATE:
                continue
            elif name and identity == _AUDIO:
                data = b"".join(element(kind, value) for kind, value in split(data) if kind != BIT_DEPTH)
            result += element(identity, data)
        return result + (element(CODEC_PRIVATE, private) if name else b"") + self._entries.get(number, b"")


def _with_colours(video: bytes, colours: bytes) -> bytes:
    """What is said of pictures, with elements added to what is said of their colours."""
    if not colours:
        return video
    parts = split(video)
    said = b"".join(data for identity, data in parts if identity == _COLOUR)
    rest = b"".join(element(identity, data) for identity, data in parts if identity != _COLOUR)
    return rest + element(_COLOUR, said + colours)


def element(identity: bytes, data: bytes) -> bytes:
    """An element, with the shortest number of its size."""
    width = next(width for width in range(1, 9) if len(data) < (1 << 7 * width) - 1)
    return identity + (len(data) | 1 << 7 * width).to_bytes(width, "big") + data


def split(elements: bytes) -> list[tuple[bytes, bytes]]:
    """IDs and contents of elements, one after the other.

    Raises:
        ValueError: they are not.
    """
    found, place = [], 0
    while place < len(elements):
        width = 9 - elements[place].bit_length()
        identity, place = elements[place : place + width], place + width
        length = 9 - elements[place].bit_length() if place < len(elements) else 9
        size = int.from_bytes(elements[place : place + length], "big") & ((1 << 7 * length) - 1)
        place += length
        if width > 4 or length > 8 or place + size > len(elements):
            raise ValueError("not elements")
        found.append((identity, elements[place : place + size]))
        place += size
    return found


def _checked(after: bytes, before: bytes) -> bytes:
    """The tracks filled up to their length of before, with a checksum that is true again."""
    size = len(element(_CRC, bytes(4)))
    body = after[size:] + _void(len(before) - len(after))
    return element(_CRC, zlib.crc32(body).to_bytes(4, "little")) + body


def _void(length: int) -> bytes:
    """An empty element of that many bytes in all."""
    if length < 9:
        raise ValueError(f"{9 - length} bytes do not fit in")
    return _VOID + (length - 9 | 1 << 56).to_bytes(8, "big") + bytes(length - 9)
