"""The directories of a TIFF file, as far as they tell what its pictures are: no pixel and no long value is read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, Literal

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

MAKE, SUBFILE_TYPE, OLD_SUBFILE_TYPE, SUB_DIRECTORIES = 271, 254, 255, 330
COMPRESSION, PHOTOMETRIC = 259, 262
_REDUCED, _MASK = 1, 4
_OLD_REDUCED = 2
# Integer types of TIFF, as `struct` has them, by number.
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_LONGEST, _MOST_ENTRIES, _MOST_DIRECTORIES = 64, 4096, 512


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory of a TIFF.

    Attributes:
        tags: all of its tags. values: of those that are few whole numbers.
        offset: where it is in the file.
        sub: its SubIFDs, each of which describes a picture of its own.
    """

    tags: frozenset[int]
    values: dict[int, tuple[int, ...]]
    offset: int
    sub: tuple[Directory, ...] = field(default=())

    def number(self, tag: int) -> int | None:
        """The first number of a tag; None without one."""
        return self.values.get(tag, (None,))[0]

    @property
    def secondary(self) -> bool:
        """Whether it is a smaller copy of another picture of the file, or a mask for one."""
        kind = self.number(SUBFILE_TYPE)
        if kind is None:
            return self.number(OLD_SUBFILE_TYPE) == _OLD_REDUCED
        return bool(kind & (_REDUCED | _MASK))


def read_directories(file: BinaryIO) -> list[Directory]:
    """The pages of a TIFF in their order; as many as can be read of one that is damaged."""
    file.seek(0)
    head = file.read(16)
    if not head.startswith(MAGICS):
        return []
    order = "<" if head.startswith(b"II") else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    reader = _Reader(file, order, big)
    try:
        (offset,) = reader.at(8 if big else 4, "Q" if big else "I")
    except struct.error:
        return []
    return list(_chain(reader, offset, set(), deep=True))


def with_page_first(data: bytes, page: int) -> bytes:
    """A TIFF that begins with one of its pages, for decoders of the first; with 0 whatever file it is."""
    if not page:
        return data
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"
    start, wide = (8, 8) if data.startswith(MAGICS[2:]) else (4, 4)
    offset = read_directories(BytesIO(data))[page].offset
    return data[:start] + offset.to_bytes(wide, order) + data[start + wide :]


class _Reader:
    """Reads structures of one byte order and one size of offsets."""

    def __init__(self, file: BinaryIO, order: str, big: bool) -> None:
        self._file, self._order, self.big = file, order, big

    def at(self, offset: int, layout: str) -> tuple[int, ...]:
        """Raises struct.error where the file ends before."""
        self._file.seek(offset)
        layout = self._order + layout
        return struct.unpack(layout, self._file.read(struct.calcsize(layout)))


def _chain(reader: _Reader, offset: int, seen: set[int], *, deep: bool) -> Iterator[Directory]:
    while offset and offset not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(offset)
        try:
            directory, offset = _directory(reader, offset, seen, deep=deep)
        except (struct.error, OverflowError, OSError):
            return
        yield directory


def _directory(reader: _Reader, offset: int, seen: set[int], *, deep: bool) -> tuple[Directory, int]:
    word, wide = ("Q", 8) if reader.big else ("I", 4)
    (count,) = reader.at(offset, "Q" if reader.big else "H")
    start, size = offset + (8 if reader.big else 2), 12 + 8 * reader.big
    tags, values = set(), {}
    for index in range(min(count, _MOST_ENTRIES)):
        place = start + index * size
        tag, kind, amount = reader.at(place, f"HH{word}")
        tags.add(tag)
        code = _INTEGERS.get(kind)
        if code and 0 < amount <= _LONGEST:
            place += 4 + wide
            if amount * struct.calcsize(f"={code}") > wide:
                (place,) = reader.at(place, word)
            try:
                values[tag] = reader.at(place, f"{amount}{code}")
            except struct.error:
                continue
    (following,) = reader.at(start + count * size, word)
    sub = []
    if deep:
        for place in values.get(SUB_DIRECTORIES, ()):
            sub += list(_chain(reader, place, seen, deep=False))[:1]
    return Directory(frozenset(tags), values, offset, tuple(sub)), following
