"""TIFF has directories that say where each part is, anywhere in the file (TIFF 6.0, and BigTIFF)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seedvr2.media.extents.extent import Bytes, Extent

_MAGIC: dict[bytes, tuple[Literal["little", "big"], bool]] = {
    b"II*\0": ("little", False), b"MM\0*": ("big", False), b"II+\0": ("little", True), b"MM\0+": ("big", True),
}  # fmt: skip
# Where the strips, or the tiles, are, and how long each is.
_PARTS = ((273, 279), (324, 325))
# Bytes of a value of each type that offsets and lengths come in.
_WIDTHS = {3: 2, 4: 4, 13: 4, 16: 8, 18: 8}
_MOST_PAGES, _MOST_TAGS = 64, 4096


def extent(data: Bytes, head: bytes) -> Extent | None:
    """The furthest end of a directory, or of the pixels of a page; None for other files."""
    if head[:4] not in _MAGIC:
        return None
    return Extent(_Directories(data, *_MAGIC[head[:4]]).end())


@dataclass(frozen=True, slots=True)
class _Directories:
    """The pages of a file; `large` is BigTIFF."""

    data: Bytes
    order: Literal["little", "big"]
    large: bool

    def end(self) -> int:
        """How far they reach, in bytes."""
        width, entry, counter = (8, 20, 8) if self.large else (4, 12, 2)
        offset, end = self._number(width if self.large else 4, width), 0
        for _ in range(_MOST_PAGES):
            if not offset:
                break
            count = min(self._number(offset, counter), _MOST_TAGS)
            following = offset + counter + count * entry
            end = max(end, following + width)
            if end > self.data.size:
                break
            tags = [offset + counter + index * entry for index in range(count)]
            end = max(end, self._pixels_end({self._number(tag, 2): tag for tag in tags}))
            offset = self._number(following, width)
        return end

    def _pixels_end(self, tags: dict[int, int]) -> int:
        """Where the last strip or tile ends; 0 if that is not said."""
        for offsets, lengths in _PARTS:
            if offsets in tags and lengths in tags:
                start, past = self._last(tags[offsets])
                length, beyond = self._last(tags[lengths])
                return max(past, beyond, start + length)
        return 0

    def _last(self, tag: int) -> tuple[int, int]:
        """The last value of a tag, and where it ends if that is beyond the file, else 0."""
        room = 8 if self.large else 4
        width, count = _WIDTHS.get(self._number(tag + 2, 2), 0), self._number(tag + 4, room)
        if not width or not count:
            return 0, 0
        values = tag + 4 + room
        start = values if count * width <= room else self._number(values, room)
        last = start + (count - 1) * width
        return self._number(last, width), last + width if last + width > self.data.size else 0

    def _number(self, offset: int, width: int) -> int:
        raw = self.data.at(offset, width)
        return int.from_bytes(raw, self.order) if len(raw) == width else 0
