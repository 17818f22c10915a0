"""A file made of parts of another one and of bytes between them, without a copy of it in memory."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, BinaryIO

Part = bytes | tuple[int, int]


class SplicedFile(io.RawIOBase):
    """Reads `parts` one after the other: bytes as they are, and pairs as (offset, length) of `file`."""

    def __init__(self, file: BinaryIO, parts: Sequence[Part]) -> None:
        self._file = file
        self._parts = [part for part in parts if _length(part)]
        self._starts = list(accumulate((_length(part) for part in self._parts), initial=0))
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The place in the spliced file."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of any file."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}[whence]
        self._position = max(origin + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """As of any raw file: perhaps fewer bytes than fit."""
        if self._position >= self._starts[-1]:
            return 0
        index = bisect_right(self._starts, self._position) - 1
        part, inside = self._parts[index], self._position - self._starts[index]
        wanted = min(len(buffer), _length(part) - inside)
        if isinstance(part, bytes):
            data = part[inside : inside + wanted]
        else:
            self._file.seek(part[0] + inside)
            data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def splice(file: BinaryIO, parts: Sequence[Part]) -> BinaryIO:
    """The spliced file, buffered. It lives as long as `file` is open."""
    buffered: Any = io.BufferedReader(SplicedFile(file, parts))
    result: BinaryIO = buffered
    return result


def _length(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else part[1]
