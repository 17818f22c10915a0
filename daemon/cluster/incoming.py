"""A copy of a source on this machine: while it comes, and while it is used."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PART = ".part"


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
            raise refused(self._folder, error) from error
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
                part_of(path).replace(path)
                fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        except OSError as error:
            raise refused(self._folder, error) from error
        held, self._descriptor = Held(path, self._descriptor), -1
        return held

    def close(self) -> None:
        """Give up what is not finished. May be called more than once."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                part_of(self._folder / self.sha256).unlink(missing_ok=True)
            os.close(descriptor)


def part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}{PART}")


def refused(path: Path, error: OSError) -> CacheError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CacheError(f"the disk of {path}, for copies of sources, is full; free some there")
    return CacheError(f"{path}, for copies of sources, cannot be used ({error.strerror}); check it there")
