"""Finds the files in the inbox that could be sources. The scan is the authority; events only wake it early."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

DONE, FAILED = "_done", "_failed"
ERROR_SUFFIX, NOTE_SUFFIX = ".error.txt", ".note.txt"
# What browsers, copy programs, editors and synchronisers call a file that is not complete yet, or is their own.
UNFINISHED = (
    ".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".opdownload", ".filepart", ".!qb", ".!ut",
    ".aria2", ".swp", ".lock", ".bak", "~",
)  # fmt: skip
OURS = (ERROR_SUFFIX, NOTE_SUFFIX, ".toml", ".json")
SYSTEM = frozenset(("thumbs.db", "desktop.ini", "__macosx", "@eadir", "lost+found", "$recycle.bin"))
UNPACKING = ("_unpack_", "_failed_", "~$")


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


class Scanner:
    """Walks the inbox; says once about each thing that it leaves alone for a reason worth knowing."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._told: set[str] = set()

    def scan(self) -> Iterator[Found]:
        """Every candidate, folder by folder; `_done`, `_failed`, hidden and unfinished files are not."""
        yield from self._walk(self._root, "")

    def _walk(self, folder: Path, relative: str) -> Iterator[Found]:
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self._tell(str(folder), f"cannot be read: {error.strerror}")
            return
        for entry in entries:
            if ignored(entry.name) or (not relative and entry.name in (DONE, FAILED)):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                # Gone between listing and looking.
                continue
            if stat.S_ISLNK(status.st_mode):
                self._tell(entry.path, "is a symbolic link; links are not followed. Copy or move the file itself")
            elif stat.S_ISDIR(status.st_mode):
                yield from self._walk(Path(entry.path), f"{relative}/{entry.name}" if relative else entry.name)
            elif stat.S_ISREG(status.st_mode):
                if not is_companion(entry.name):
                    yield Found(Path(entry.path), relative, fingerprint(status))
            else:
                self._tell(entry.path, "is neither a file nor a folder")

    def _tell(self, path: str, what: str) -> None:
        if path not in self._told:
            self._told.add(path)
            log.warning("inbox: %r %s", path, what)


def fingerprint(status: os.stat_result) -> tuple[int, int, int]:
    """What tells one version of a file from another."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def same_content(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two fingerprints of the same path are of the same version; inodes of network shares may change."""
    return one[1:] == other[1:]


def ignored(name: str) -> bool:
    """Whether a file or folder of this name is never a source."""
    lower = name.lower()
    return lower.startswith((".", *UNPACKING)) or lower.endswith(UNFINISHED) or lower in SYSTEM


def is_companion(name: str) -> bool:
    """Whether a file of this name belongs to another one: sidecar, preset, error text."""
    return name.lower().endswith(OURS)
