"""Tells when a file is complete: unchanged for the settle time, and nobody has it open for writing."""

from __future__ import annotations

import fcntl
import signal
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

Signature = tuple[tuple[int, ...], ...]
# Half of the first wait before a file is tried again, and the longest one, in seconds.
AGAIN_S, LONGEST_AGAIN_S = 0.5, 60.0


@dataclass(slots=True)
class _Watched:
    signature: Signature
    since: float
    retry_at: float
    retries: int = 0


class Settler:
    """Remembers since when each file has been as it is. Times are monotonic seconds."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._files: dict[Path, _Watched] = {}

    def observe(self, path: Path, signature: Signature, now: float) -> bool:
        """Note how a file looks now (and its sidecars); true if it is time to try to take it."""
        watched = self._files.get(path)
        if watched is None or watched.signature != signature:
            watched = self._files[path] = _Watched(signature, now, now + self._settle_s)
        return now >= watched.retry_at

    def unchanged_s(self, path: Path, now: float) -> float:
        """For how long the file has looked as it does."""
        watched = self._files.get(path)
        return now - watched.since if watched else 0.0

    def tried(self, path: Path) -> bool:
        """Whether it has been tried as it is now."""
        watched = self._files.get(path)
        return watched is not None and (watched.retries > 0 or watched.retry_at == float("inf"))

    def postpone(self, path: Path, now: float) -> None:
        """It could not be taken: try again later, and ever later."""
        watched = self._files.get(path)
        if watched is not None:
            watched.retries += 1
            watched.retry_at = now + min(AGAIN_S * 2**watched.retries, LONGEST_AGAIN_S)

    def delay(self, path: Path, until: float) -> None:
        """It is not its turn yet."""
        watched = self._files.get(path)
        if watched is not None:
            watched.retry_at = until

    def park(self, path: Path) -> None:
        """Do not try again until it changes."""
        watched = self._files.get(path)
        if watched is not None:
            watched.retry_at = float("inf")

    def forget_others(self, present: Set[Path]) -> None:
        """Drop the files that are not there any more."""
        for path in self._files.keys() - present:
            del self._files[path]

    def next_due(self) -> float:
        """When the next file may be ready; infinite if none waits."""
        return min((watched.retry_at for watched in self._files.values()), default=float("inf"))


def open_for_writing(descriptor: int) -> bool:
    """Whether some process on this machine is still writing to a file; false also where that cannot be known.

    A read lease is only granted while nobody has the file open for writing. It is the kernel's answer, so a download
    that stalls for an hour is not taken for complete.
    """
    try:
        # A writer that comes just now breaks the lease with a signal; this one is ignored by default, SIGIO kills.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        # Not our file, or a file system without leases.
        return False
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
