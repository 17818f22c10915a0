"""Remembers which files the service ended abruptly over, across starts.

Before a file is looked into, its name goes into a marker; afterwards it is taken out. A name that is still there at the
start is that of a file which may have killed the process, or was merely there when something else did. So the ends are
counted, and only who was there too often is given up.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daemon.jobs.job import BAD_RECORD
from daemon.store.files import clear_temporary, write_durably

log = logging.getLogger(__name__)
# So many abrupt ends while one version of a file was looked into, alone from the second on, are no coincidence.
MAX_ENDS = 5
MARKER_BYTES = 8192
Fingerprint = tuple[int, ...]


class Suspects:
    """The files that were being looked into when the process ended abruptly. Used by the inbox's thread alone."""

    def __init__(self, state: Path) -> None:
        self._path = state / "suspects.json"
        self._marker_path = state / "looking-into"
        self._marker: int | None = None
        self._ends = self._load()
        self._counted = self._unwritten = False
        try:
            clear_temporary(self._path)
            self._count_last()
            os.pwrite(self._open(), b"\0", 0)
        except OSError as error:
            log.error("inbox: the state folder cannot be used yet: %s", error.strerror)

    def ends(self, path: Path, fingerprint: Fingerprint) -> int:
        """How often the process ended while this version of a file was looked into."""
        known, ends = self._ends.get(str(path), ((), 0))
        return ends if known == fingerprint else 0

    def begin(self, path: Path, fingerprint: Fingerprint) -> None:
        """A file is about to be looked into.

        Raises:
            OSError: that cannot be written down, so it must not be done.
        """
        self._count_last()
        text = b"\0".join((os.fsencode(path), json.dumps(fingerprint).encode(), b""))
        # Written in place: this happens for each file, and truncating makes some file systems wait for the disk.
        os.pwrite(self._open(), text, 0)

    def end(self) -> None:
        """It was looked into, with whatever outcome."""
        try:
            os.pwrite(self._open(), b"\0", 0)
        except OSError as error:
            # The name stays: at worst an abrupt end before the next file is counted for this one.
            log.warning("inbox: the marker of the file that was looked into stays: %s", error.strerror)

    def clear(self, path: Path) -> None:
        """This file is above suspicion."""
        if self._ends.pop(str(path), None) is not None:
            self._forget()

    def keep_only(self, present: Mapping[Path, Fingerprint]) -> None:
        """Forget files that were changed or are gone."""
        stale = [name for name, (known, _) in self._ends.items() if present.get(Path(name)) != known]
        for name in [name for name in stale if Path(name) in present or not os.path.lexists(name)]:
            self.clear(Path(name))

    def close(self) -> None:
        """Let go of the marker."""
        if self._marker is not None:
            os.close(self._marker)
            self._marker = None

    def _count_last(self) -> None:
        """Count the abrupt end that the marker tells of, if it does, and write that down."""
        if not self._counted:
            name, known = _parse(os.pread(self._open(), MARKER_BYTES, 0))
            self._counted = True
            if name:
                log.error("inbox: the service ended abruptly while it looked into %s; that is tried last", name)
                self._ends[name] = (known, self.ends(Path(name), known) + 1)
                self._unwritten = True
        self._write()

    def _open(self) -> int:
        if self._marker is None:
            marker = os.open(self._marker_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                # Its blocks are there from now on, so that a full disk does not matter later.
                if os.fstat(marker).st_size < MARKER_BYTES:
                    os.pwrite(marker, bytes(MARKER_BYTES - os.fstat(marker).st_size), os.fstat(marker).st_size)
            except OSError:
                os.close(marker)
                raise
            self._marker = marker
        return self._marker

    def _forget(self) -> None:
        self._unwritten = True
        try:
            self._write()
        except OSError as error:
            log.warning("inbox: %s is written later: %s", self._path.name, error.strerror)

    def _write(self) -> None:
        if self._unwritten:
            record = {name: {"fingerprint": list(known), "ends": ends} for name, (known, ends) in self._ends.items()}
            write_durably(self._path, json.dumps(record).encode())
            self._unwritten = False

    def _load(self) -> dict[str, tuple[Fingerprint, int]]:
        try:
            record: Any = json.loads(self._path.read_bytes())
            return {
                str(name): (tuple(int(number) for number in each["fingerprint"]), int(each["ends"]))
                for name, each in record.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, *BAD_RECORD) as error:
            log.warning("inbox: %s cannot be read (%s); it begins anew", self._path, error)
            return {}


def _parse(marker: bytes) -> tuple[str, Fingerprint]:
    name, _, rest = marker.partition(b"\0")
    try:
        inode, size, changed = (int(each) for each in json.loads(rest.partition(b"\0")[0]))
    except (ValueError, TypeError):
        # The process ended, or power failed, while it was written: no version, so no file is suspected.
        return "", ()
    return os.fsdecode(name), (inode, size, changed)
