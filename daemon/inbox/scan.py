"""Finds the files in the inbox that could be sources. The scan is the authority; events only wake it early."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from daemon.inbox.family import Family
from daemon.inbox.names import DONE, FAILED, ignored, is_companion, travels
from daemon.store.safe_open import fingerprint, open_folder

log = logging.getLogger(__name__)

# The system takes no path of more than 4096 bytes; what the inbox's and the results' own folders need is left.
MAX_DEPTH, MAX_WAY_BYTES = 64, 3000
MAX_TOLD = 10_000


@dataclass(frozen=True, slots=True)
class Found:
    """A file in the inbox. `fingerprint` is (inode, size, mtime in ns)."""

    path: Path
    folder: str
    fingerprint: tuple[int, int, int]

    @property
    def size(self) -> int:
        """Bytes."""
        return self.fingerprint[1]


class _Entry(NamedTuple):
    folder: str
    name: str
    status: os.stat_result


class Scanner:
    """Walks the inbox; says once about each thing that it leaves alone for a reason worth knowing."""

    def __init__(self, root: Path, *, quiet: bool = False) -> None:
        """`quiet`: another one has said it already."""
        self._root = root
        self._quiet = quiet
        self._told: set[str] = set()

    def scan(self) -> Iterator[Found]:
        """Every candidate, folder by folder; `_done`, `_failed`, hidden and unfinished files are not."""
        # A stack, not a recursion: whoever fills the inbox decides how deep it is.
        ways = [iter(self._entries(""))]
        while ways:
            entry = next(ways[-1], None)
            if entry is None:
                ways.pop()
                continue
            found = self._judge(entry)
            if isinstance(found, Found):
                yield found
            elif found is not None:
                ways.append(iter(self._entries(found)))

    def _entries(self, relative: str) -> list[_Entry]:
        """What lies in a folder, by name."""
        if relative.count("/") >= MAX_DEPTH or len(os.fsencode(relative)) > MAX_WAY_BYTES:
            self._tell(relative, f"lies too deep; what is more than {MAX_DEPTH} folders down is not looked at")
            return []
        entries = []
        try:
            folder = open_folder(self._root, relative)
            try:
                with os.scandir(folder) as listing:
                    for entry in listing:
                        if ignored(entry.name) or (not relative and entry.name in (DONE, FAILED)):
                            continue
                        entries += self._status(relative, entry)
            finally:
                os.close(folder)
        except FileNotFoundError:
            # It vanished while its neighbours were looked at.
            return []
        except OSError as error:
            self._tell(relative or str(self._root), f"cannot be read: {error.strerror}")
        self._tell_of_strangers(entries)
        return sorted(entries, key=lambda entry: entry.name)

    def _status(self, relative: str, entry: os.DirEntry[str]) -> list[_Entry]:
        try:
            return [_Entry(relative, entry.name, entry.stat(follow_symlinks=False))]
        except FileNotFoundError:
            # Gone between listing and looking.
            return []
        except OSError as error:
            # This one only: the others of the folder can be looked at.
            self._tell(f"{relative}/{entry.name}" if relative else entry.name, f"cannot be read: {error.strerror}")
            return []

    def _tell_of_strangers(self, entries: list[_Entry]) -> None:
        if self._quiet:
            return
        files = [entry for entry in entries if stat.S_ISREG(entry.status.st_mode)]
        family = Family(entry.name for entry in files if not is_companion(entry.name))
        for entry in files:
            if travels(entry.name) and not family.owners(entry.name):
                way = f"{entry.folder}/{entry.name}" if entry.folder else entry.name
                self._tell(way, "belongs to no picture or video beside it; it stays until one comes", logging.INFO)

    def _judge(self, entry: _Entry) -> Found | str | None:
        """A candidate, the folder to go into, or nothing."""
        mode, way = entry.status.st_mode, f"{entry.folder}/{entry.name}" if entry.folder else entry.name
        if stat.S_ISLNK(mode):
            self._tell(way, "is a symbolic link; links are not followed. Copy or move the file itself")
        elif stat.S_ISDIR(mode):
            return way
        elif not stat.S_ISREG(mode):
            self._tell(way, "is neither a file nor a folder")
        elif not is_companion(entry.name):
            return Found(self._root / way, entry.folder, fingerprint(entry.status))
        return None

    def _tell(self, path: str, what: str, level: int = logging.WARNING) -> None:
        if not self._quiet and path not in self._told:
            # Whoever makes names without end must not fill the memory.
            if len(self._told) >= MAX_TOLD:
                self._told.clear()
            self._told.add(path)
            log.log(level, "inbox: %r %s", path, what)
