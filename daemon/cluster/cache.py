"""Copies of sources on a machine that shares no folder with the service, by the SHA-256 of what is in them.

Several processes of a machine use one folder. A copy is either whole, under its SHA-256, or being made, in a `.part`.
Locks of the system say who makes one and who reads one; they end with the process that holds them, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from daemon.cluster.incoming import PART, CacheError, Held, Incoming, part_of, refused
from daemon.cluster.locks import OPEN, alone, removed
from daemon.store.files import probe_writable
from seedvr2.units import gigabytes

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOCK = 512  # bytes of a unit of `st_blocks`


class SourceCache:
    """The folder, made when it is first used.

    Args:
        limit: bytes that all copies may take; the one that was not used for the longest goes first, and none in use.
        spare: bytes of the disk that are left to others.
    """

    def __init__(self, folder: Path, limit: int, spare: int) -> None:
        self._folder = folder
        self._limit = limit
        self._spare = spare

    def hold(self, sha256: str, size: int) -> Held | None:
        """The copy of a source; None if there is none. Raises CacheError."""
        path = self._path(sha256)
        try:
            descriptor = os.open(path, OPEN)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refused(path, error) from error
        held = Held(path, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            status = os.fstat(descriptor)
            # It may have been removed before the lock was had, or cut off by a failing disk.
            if status.st_nlink > 0 and status.st_size == size:
                # The time of the last change stays: the engine knows a file by it.
                os.utime(descriptor, ns=(time.time_ns(), status.st_mtime_ns))
                return held
        except OSError as error:
            held.close()
            raise refused(path, error) from error
        held.close()
        return None

    def begin(self, sha256: str, size: int) -> Incoming | None:
        """Begin the copy of a source; None while another process makes it.

        Raises:
            CacheError: there is no room, or the disk refuses.
        """
        part = part_of(self._path(sha256))
        try:
            with self._alone():
                self._bury()
                try:
                    descriptor = os.open(part, OPEN | os.O_CREAT | os.O_EXCL, 0o600)
                except FileExistsError:
                    return None
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                    self._make_room(size)
                    # Counted by others from now on, though nothing is written.
                    os.ftruncate(descriptor, size)
                except BaseException:
                    part.unlink(missing_ok=True)
                    os.close(descriptor)
                    raise
        except OSError as error:
            raise refused(self._folder, error) from error
        return Incoming(sha256, size, self._folder, descriptor, self._alone)

    def remove(self, sha256: str) -> None:
        """Remove a copy, unless somebody else uses it. Raises CacheError."""
        try:
            with self._alone():
                removed(self._path(sha256))
        except OSError as error:
            raise refused(self._folder, error) from error

    def tidy(self) -> None:
        """Remove what processes that have ended left half made, and see that there can be copies. Raises CacheError."""
        try:
            with self._alone():
                self._bury()
                probe_writable(self._folder)
                free = shutil.disk_usage(self._folder).free
                if free <= self._spare and not any(self._files()):
                    raise CacheError(_too_full(self._folder, free))
        except OSError as error:
            raise refused(self._folder, error) from error

    def _bury(self) -> None:
        """Remove what is half made and has no maker any more."""
        for part in self._folder.glob(f"*{PART}"):
            if _SHA256.fullmatch(part.stem):
                removed(part)

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """While this lasts no other process makes room, or begins a copy."""
        return alone(self._folder)

    def _make_room(self, size: int) -> None:
        """Remove copies until one of `size` bytes fits the limit and the disk. Raises CacheError."""
        most = f"{self._folder}, for copies of sources, may take {gigabytes(self._limit)}"
        advice = f"the source has {gigabytes(size)}; raise cluster.cache_gb in the configuration there"
        if size > self._limit:
            raise CacheError(f"{most}, and {advice}")
        files = sorted(self._files(), key=lambda each: each[1].st_atime_ns)
        taken = sum(status.st_size for _, status in files)
        # What others are about to write is theirs already.
        promised = sum(max(status.st_size - status.st_blocks * _BLOCK, 0) for _, status in files)
        free = shutil.disk_usage(self._folder).free - promised - self._spare
        copies = [(path, status.st_size) for path, status in files if path.suffix != PART]
        if free + sum(each for _, each in copies) < size:
            raise CacheError(_too_full(self._folder, free, size))
        for path, each in copies:
            if taken + size <= self._limit and free >= size:
                return
            if removed(path):
                taken, free = taken - each, free + each
        if taken + size > self._limit:
            raise CacheError(f"{most}, of which {gigabytes(taken)} are in use, and {advice}")
        if free < size:
            raise CacheError(_too_full(self._folder, free, size))

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """All copies and those that are being made; what is not called as ours is nobody's business here."""
        for path in self._folder.iterdir():
            if _SHA256.fullmatch(path.name.removesuffix(PART)):
                with contextlib.suppress(FileNotFoundError):
                    yield path, path.lstat()

    def _path(self, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256!r:.80} is no SHA-256")
        return self._folder / sha256


def _too_full(folder: Path, free: int, size: int = 0) -> str:
    needs = f", and the source has {gigabytes(size)}" if size else ""
    return f"{folder}, for copies of sources, has {gigabytes(free)} of its disk to use{needs}; free some there"
