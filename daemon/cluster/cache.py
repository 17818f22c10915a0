"""Copies of sources on a machine that shares no folder with the service, by the SHA-256 of what is in them.

Several processes of a machine use one folder. A copy is either whole, under its SHA-256, or being made, in a `.part`.
Locks of the system say who makes one and who reads one; they end with the process that holds them, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from daemon.store.files import probe_writable
from seedvr2.units import gigabytes

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART, LOCK = ".part", "lock"
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK = 512  # bytes of a unit of `st_blocks`


class CacheError(Exception):
    """This machine cannot take a copy now: what is wrong with it, and what to do there, without capital and stop."""


class NotWholeError(Exception):
    """What came is not what was announced."""


@dataclass(slots=True)
class Held:
    """A copy that stays for as long as this is open."""

    path: Path
    _descriptor: int

    def close(self) -> None:
        """Let it go. May be called more than once."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@dataclass(slots=True)
class Incoming:
    """A copy that is being made; nobody else makes the same one meanwhile."""

    sha256: str
    size: int
    _folder: Path
    _descriptor: int
    _alone: Callable[[], contextlib.AbstractContextManager[None]]
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _bytes: int = 0
    _early: dict[int, bytes] = field(default_factory=dict)

    def add(self, offset: int, chunk: bytes) -> bool:
        """Write some of the bytes; whether these are all. Those that come before their turn wait in memory.

        Raises:
            NotWholeError: there are more than were announced. CacheError: the disk refuses.
        """
        if offset + len(chunk) > self.size:
            raise NotWholeError(f"more bytes come than the {self.size} of the source")
        self._early[offset] = chunk
        try:
            while (chunk := self._early.pop(self._bytes, b"")) != b"":
                self._digest.update(chunk)
                rest = memoryview(chunk)
                while rest:
                    written = os.pwrite(self._descriptor, rest, self._bytes)
                    self._bytes, rest = self._bytes + written, rest[written:]
        except OSError as error:
            raise _refused(self._folder, error) from error
        return self._bytes >= self.size

    def finish(self) -> Held:
        """Put the copy in place.

        Raises:
            NotWholeError: it is not what was announced. CacheError: the disk refuses.
        """
        if self._bytes != self.size or self._digest.hexdigest() != self.sha256:
            raise NotWholeError(f"{self._bytes} bytes came that are not the {self.size} of the source")
        path = self._folder / self.sha256
        try:
            os.fsync(self._descriptor)
            # One lock is given for the other, and in between anybody could remove it.
            with self._alone():
                _part(path).replace(path)
                fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        except OSError as error:
            raise _refused(self._folder, error) from error
        held, self._descriptor = Held(path, self._descriptor), -1
        return held

    def close(self) -> None:
        """Give up what is not finished. May be called more than once."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                _part(self._folder / self.sha256).unlink(missing_ok=True)
            os.close(descriptor)


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
            descriptor = os.open(path, _OPEN)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refused(path, error) from error
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
            raise _refused(path, error) from error
        held.close()
        return None

    def begin(self, sha256: str, size: int) -> Incoming | None:
        """Begin the copy of a source; None while another process makes it.

        Raises:
            CacheError: there is no room, or the disk refuses.
        """
        part = _part(self._path(sha256))
        try:
            with self._alone():
                self._bury()
                try:
                    descriptor = os.open(part, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
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
            raise _refused(self._folder, error) from error
        return Incoming(sha256, size, self._folder, descriptor, self._alone)

    def remove(self, sha256: str) -> None:
        """Remove a copy, unless somebody else uses it. Raises CacheError."""
        try:
            with self._alone():
                _removed(self._path(sha256))
        except OSError as error:
            raise _refused(self._folder, error) from error

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
            raise _refused(self._folder, error) from error

    def _bury(self) -> None:
        """Remove what is half made and has no maker any more."""
        for part in self._folder.glob(f"*{_PART}"):
            if _SHA256.fullmatch(part.stem):
                _removed(part)

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
        copies = [(path, status.st_size) for path, status in files if path.suffix != _PART]
        if free + sum(each for _, each in copies) < size:
            raise CacheError(_too_full(self._folder, free, size))
        for path, each in copies:
            if taken + size <= self._limit and free >= size:
                return
            if _removed(path):
                taken, free = taken - each, free + each
        if taken + size > self._limit:
            raise CacheError(f"{most}, of which {gigabytes(taken)} are in use, and {advice}")
        if free < size:
            raise CacheError(_too_full(self._folder, free, size))

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """All copies and those that are being made; what is not called as ours is nobody's business here."""
        for path in self._folder.iterdir():
            if _SHA256.fullmatch(path.name.removesuffix(_PART)):
                with contextlib.suppress(FileNotFoundError):
                    yield path, path.lstat()

    def _path(self, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256!r:.80} is no SHA-256")
        return self._folder / sha256


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While this lasts no other process is here; the folder and the one it is in are made, for this user alone."""
    # What `mkdir` makes on its way is for everybody.
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder / LOCK, _OPEN | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}{_PART}")


def _removed(path: Path) -> bool:
    """Remove a file, unless a process holds it. Raises OSError."""
    try:
        descriptor = os.open(path, _OPEN)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _too_full(folder: Path, free: int, size: int = 0) -> str:
    needs = f", and the source has {gigabytes(size)}" if size else ""
    return f"{folder}, for copies of sources, has {gigabytes(free)} of its disk to use{needs}; free some there"


def _refused(path: Path, error: OSError) -> CacheError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CacheError(f"the disk of {path}, for copies of sources, is full; free some there")
    return CacheError(f"{path}, for copies of sources, cannot be used ({error.strerror}); check it there")
