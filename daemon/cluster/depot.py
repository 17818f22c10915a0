"""What a place keeps on its own disk where it shares no folder with the service: sources that came, and what it makes.

Each process has a folder of its own for what it makes, under a lock; what processes left that have ended goes when the
next one starts. Frames never travel, files do.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from daemon.cluster.cache import SourceCache
from daemon.cluster.incoming import CacheError, Held, Incoming, NotWholeError
from daemon.cluster.locks import LOCK, OPEN, alone
from daemon.store.files import clean_name
from seedvr2.catalogue.hashes import sha256_of

CHUNK_BYTES = 16 << 20
_SOURCES, _WORK = "sources", "work"
_ATTEMPT, _PROCESS = re.compile(r"[0-9a-f]{8}"), re.compile(r"[0-9a-f]{16}")


@dataclass(slots=True)
class _Parcel:
    """What there is of an attempt."""

    sha256: str
    size: int
    name: str
    copy: Held | None = None
    incoming: Incoming | None = None

    def close(self) -> None:
        if self.copy is not None:
            self.copy.close()
        if self.incoming is not None:
            self.incoming.close()


class Depot:
    """Made when it is first used. Sources come in one thread; the one that works may ask for what has come.

    Args:
        folder: for this user alone. limit, spare: as of `SourceCache`.
    """

    def __init__(self, folder: Path, limit: int, spare: int) -> None:
        self._folder = folder
        self._cache = SourceCache(folder / _SOURCES, limit, spare)
        self._parcels: dict[str, _Parcel] = {}
        self._made: dict[str, Path] = {}
        self._making = threading.Lock()
        self._own: Path | None = None
        self._lock = -1

    @classmethod
    def of(cls, setup: Mapping[str, Any]) -> Self:
        """That of a `depot_setup`."""
        return cls(Path(setup["folder"]), int(setup["limit"]), int(setup["spare"]))

    def why(self) -> str:
        """Why nothing can be kept here; empty if all is well."""
        try:
            self._cache.tidy()
            self._room()
        except CacheError as error:
            return str(error)
        except OSError as error:
            return f"{self._folder} cannot be used ({error.strerror}); check it there"
        return ""

    # -- a source comes -----------------------------------------------------------------------------------

    def expect(self, attempt: str, source: Mapping[str, Any]) -> bool | None:
        """Whether the source of an attempt is here; None while another process gets it. If not, all of it is to come.

        Args:
            source: its `sha256`, its `size` in bytes and its `name`.

        Raises:
            CacheError: it cannot be kept here.
        """
        parcel = _Parcel(str(source["sha256"]), int(source["size"]), clean_name(str(source["name"]), "source"))
        self._close(_checked(attempt))
        parcel.copy = self._cache.hold(parcel.sha256, parcel.size)
        if parcel.copy is None:
            parcel.incoming = self._cache.begin(parcel.sha256, parcel.size)
            if parcel.incoming is None:
                return None
            # Another process may have finished it between the two questions.
            parcel.copy = self._cache.hold(parcel.sha256, parcel.size)
        if parcel.copy is not None and parcel.incoming is not None:
            parcel.incoming.close()
        self._parcels[attempt] = parcel
        return parcel.copy is not None

    def add(self, attempt: str, offset: int, chunk: bytes) -> None:
        """Take some bytes of it. Raises CacheError; NotWholeError: all are here, and are not what was announced."""
        parcel = self._parcels[attempt]
        incoming = parcel.incoming
        if incoming is None:
            raise NotWholeError("more bytes come than were announced")
        if incoming.add(offset, chunk):
            parcel.copy, parcel.incoming = incoming.finish(), None

    def source(self, attempt: str) -> Path:
        """Where the engine reads it, under its own name. Raises NotWholeError: it has not come. OSError."""
        parcel = self._parcels[attempt]
        if parcel.copy is None:
            raise NotWholeError("not all of the source has come")
        # The same path each time: the engine remembers by it what it has found out.
        folder = self._room() / parcel.sha256
        for former in self._room().iterdir():
            if former.name != parcel.sha256 and len(former.name) == len(parcel.sha256):
                shutil.rmtree(former, ignore_errors=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        link = folder / parcel.name
        with contextlib.suppress(FileExistsError):
            link.symlink_to(parcel.copy.path)
        return link

    def is_whole(self, attempt: str) -> bool:
        """Whether the copy still is what came; one that is not is removed, so that it is sent anew."""
        parcel = self._parcels[attempt]
        if parcel.copy is None or sha256_of(parcel.copy.path) == parcel.sha256:
            return True
        parcel.copy.close()
        self._cache.remove(parcel.sha256)
        return False

    # -- what was made goes -------------------------------------------------------------------------------

    def target(self, attempt: str, name: str) -> Path:
        """Where an attempt leaves what it makes. Raises OSError."""
        folder = self._room() / _checked(attempt)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._made[attempt] = folder / clean_name(name, "result")
        return self._made[attempt]

    def read(self, attempt: str, offset: int) -> bytes:
        """Some bytes of what it left, `CHUNK_BYTES` or what is left of it. Raises OSError."""
        with self._made[attempt].open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(CHUNK_BYTES) or b""

    def forget(self, attempt: str) -> None:
        """Remove what an attempt left; its source may be removed for others from now on."""
        self._close(_checked(attempt))
        self._made.pop(attempt, None)
        if self._own is not None:
            shutil.rmtree(self._own / attempt, ignore_errors=True)

    def _close(self, attempt: str) -> None:
        parcel = self._parcels.pop(attempt, None)
        if parcel is not None:
            parcel.close()

    # -- the folder of this process -----------------------------------------------------------------------

    def _room(self) -> Path:
        if self._own is None:
            with self._making, alone(self._folder / _WORK):
                if self._own is None:
                    self._own = self._make_own(self._folder / _WORK)
        return self._own

    def _make_own(self, work: Path) -> Path:
        _bury(work)
        own = work / secrets.token_hex(8)
        own.mkdir(mode=0o700)
        # Open, and thereby locked, until the process ends.
        self._lock = os.open(own / LOCK, OPEN | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return own


def depot_setup(state: Path, cache_gb: float, min_free_mb: int) -> dict[str, Any]:
    """Where a machine with this state folder and these settings has its depot, as JSON."""
    return {"folder": str(state / "place"), "limit": int(cache_gb * 1e9), "spare": min_free_mb << 20}


def _bury(work: Path) -> None:
    """Remove the folders of processes that have ended, and nothing else."""
    for folder in work.iterdir():
        if not _PROCESS.fullmatch(folder.name) or folder.is_symlink():
            continue
        try:
            lock = os.open(folder / LOCK, OPEN)
        except OSError:
            # Its process ended between its first two steps; what is in it was not put there by one.
            with contextlib.suppress(OSError):
                folder.rmdir()
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)


def _checked(attempt: str) -> str:
    if not _ATTEMPT.fullmatch(attempt):
        raise ValueError(f"{attempt!r:.80} is no attempt")
    return attempt
