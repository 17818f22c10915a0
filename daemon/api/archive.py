"""A zip archive of files as something to read from: made while it is sent, in constant memory, its length known before.

The files are stored as they are, for pictures and videos do not get smaller. What comes before and after each is of
zip64 throughout, so that it is as long whatever the file's size.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from daemon.store.files import cut, split

PIECE = 256 * 1024
# Parts of the format by their length in bytes: a file's head with its sizes in 64 bits, what follows its contents, its
# line in the directory, and the directory's end.
_HEAD, _AFTER, _LINE, _LINE_64, _END, _END_64 = 30 + 20, 24, 46, 4, 22, 56 + 20
_MOST_FILES = 0xFFFF
# MS-DOS, from which the format has its times, knows none before.
_FIRST_YEAR = 1980


@dataclass(frozen=True, slots=True)
class Entry:
    """A file and what it is called in the archive; `size` in bytes and `modified` in seconds since 1970."""

    path: Path
    name: str
    size: int
    modified: float


class Archive(io.RawIOBase):
    """Read it from the beginning to the end. `seek` and `tell` are for who wants to know how long it is."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__()
        self.size = archive_size(entries)
        self._place = 0
        self._pieces = _pieces(entries)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Some of the next `size` bytes. Raises OSError where a file has gone or changed."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = piece
        data, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        self._place += len(data)
        return data

    def seekable(self) -> bool:
        """As far as its length goes."""
        return True

    def tell(self) -> int:
        """Where it stands."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Say where that would be; reading goes on where it was."""
        self._place = offset + (self.size if whence == os.SEEK_END else 0)
        return self._place

    def close(self) -> None:
        """Let go of the file that is being read."""
        self._pieces.close()
        super().close()


class _Taken(io.RawIOBase):
    """What the archive's maker writes, until it is taken. It cannot be gone back in."""

    def __init__(self) -> None:
        super().__init__()
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken


def _pieces(entries: Sequence[Entry]) -> Generator[bytes, None, None]:
    taken = _Taken()
    with zipfile.ZipFile(taken, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, _dos_time(entry.modified))
            info.external_attr = 0o644 << 16
            with _opened(entry) as file, archive.open(info, "w", force_zip64=True) as target:
                left = entry.size
                while left:
                    data = file.read(min(PIECE, left))
                    if not data:
                        raise OSError(f"{entry.name} has become shorter while it was sent")
                    left -= len(data)
                    target.write(data)
                    yield taken.take()
    yield taken.take()


def _opened(entry: Entry) -> io.FileIO:
    file = os.fdopen(os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb", 0)
    if os.fstat(file.fileno()).st_size != entry.size:
        file.close()
        raise OSError(f"{entry.name} has changed before it was sent")
    assert isinstance(file, io.FileIO)
    return file


def archive_size(entries: Sequence[Entry]) -> int:
    """How many bytes an archive of these files has."""
    place = lines = 0
    for entry in entries:
        name = len(entry.name.encode())
        # In the directory, only what does not fit into 32 bits is there with 64.
        wide = 16 * (entry.size > zipfile.ZIP64_LIMIT) + 8 * (place > zipfile.ZIP64_LIMIT)
        lines += _LINE + name + (wide and _LINE_64 + wide)
        place += _HEAD + name + entry.size + _AFTER
    large = len(entries) > _MOST_FILES or place > zipfile.ZIP64_LIMIT or lines > zipfile.ZIP64_LIMIT
    return place + lines + (_END_64 if large else 0) + _END


def unique_names(names: Sequence[str]) -> list[str]:
    """The names in their order, those that would be the same (`A.png`, `a.png`) told apart: `a (2).png`."""
    seen: set[str] = set()
    unique = []
    for name in names:
        candidate, number = name, 2
        while candidate.casefold() in seen:
            stem, suffix = split(name)
            candidate, number = cut(stem, f" ({number}){suffix}"), number + 1
        seen.add(candidate.casefold())
        unique.append(candidate)
    return unique


def _dos_time(seconds: float) -> tuple[int, int, int, int, int, int]:
    when = datetime.fromtimestamp(seconds)
    if when.year < _FIRST_YEAR:
        return (_FIRST_YEAR, 1, 1, 0, 0, 0)
    return (when.year, when.month, when.day, when.hour, when.minute, when.second)
