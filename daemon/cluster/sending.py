"""A file that is sent: read in chunks as it was when it was opened, and known by its SHA-256."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path

from daemon.cluster.depot import CHUNK_BYTES
from daemon.cluster.disk_threads import finished, held, on_disk

_REMEMBERED = 256


class SourceFile:
    """A file that is sent, held open. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.mark = _mark(os.fstat(self._descriptor))
        self.size = self.mark[2]

    def __enter__(self) -> SourceFile:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let it go."""
        os.close(self._descriptor)

    def read(self, offset: int) -> bytes:
        """A chunk, or what is left of the file as large as it was."""
        wanted, pieces = min(CHUNK_BYTES, self.size - offset), []
        while wanted > 0 and (piece := os.pread(self._descriptor, wanted, offset)):
            pieces.append(piece)
            offset, wanted = offset + len(piece), wanted - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def has_changed(self) -> bool:
        """Whether it is another version by now."""
        return _mark(os.fstat(self._descriptor)) != self.mark


def _mark(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class Digests:
    """SHA-256 of files, of each version once."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, ...], str] = OrderedDict()
        self._locks: defaultdict[tuple[int, ...], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, file: SourceFile, report: Callable[[], None]) -> str:
        """That of a file. Raises HereError."""
        async with held(self._locks[file.mark], report):
            if file.mark not in self._known:
                digest, offset = hashlib.sha256(), 0
                while chunk := await on_disk(file.read, offset):
                    await finished(digest.update, chunk)
                    offset += len(chunk)
                    report()
                self._known[file.mark] = digest.hexdigest()
            self._known.move_to_end(file.mark)
            while len(self._known) > _REMEMBERED:
                self._locks.pop(self._known.popitem(last=False)[0], None)
            return self._known[file.mark]

    def forget(self, file: SourceFile) -> None:
        """Compute it anew next time."""
        self._known.pop(file.mark, None)
