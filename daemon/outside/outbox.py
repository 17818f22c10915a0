"""Messages that wait to be told, each a file of its own, so that they outlive a crash and a restart.

Only files with a name of ours are ever read or removed; what else lies in the folder is left alone.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from pathlib import Path

from daemon.store.files import move_aside, write_durably

log = logging.getLogger(__name__)
OWN_NAME = re.compile(r"\d{20}-[\w-]{1,64}\.json")
# What `write_durably` leaves when the process dies in the middle of it.
OWN_LEFTOVER = re.compile(r"\." + OWN_NAME.pattern + r"\.\w{8}\.tmp")
DAMAGED = "damaged"
# A message is a few KiB.
MAX_BYTES = 1 << 20


class Outbox:
    """A folder of messages, oldest first. Thread-safe."""

    def __init__(self, folder: Path, name: str) -> None:
        """`name` is what the log calls it."""
        self._folder = folder
        self._name = name
        self._writing = threading.Lock()

    def path_for(self, job_id: str) -> Path:
        """Where a new message of this job goes."""
        return self._folder / f"{time.time_ns():020}-{job_id}.json"

    def keep(self, path: Path, body: bytes) -> None:
        """Write a message. Raises OSError."""
        with self._writing:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_durably(path, body)

    def waiting(self) -> list[Path]:
        """The messages that are there; clears what a crash left half-written. Raises OSError."""
        if not self._folder.is_dir():
            return []
        with self._writing:
            files = [path for path in sorted(self._folder.iterdir()) if self._is_file(path)]
            for path in files:
                if OWN_LEFTOVER.fullmatch(path.name):
                    log.info("%s: %s, half-written by a run that ended, is removed", self._name, path.name)
                    self.remove(path)
        return [path for path in files if OWN_NAME.fullmatch(path.name)]

    def read(self, path: Path) -> bytes:
        """A message. Raises OSError, or ValueError if it cannot be one of ours."""
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        return path.read_bytes()

    def remove(self, path: Path) -> None:
        """It has been told, or given up."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.error("%s: %s cannot be removed and may be told again: %s", self._name, path.name, error)

    def set_aside(self, path: Path) -> None:
        """It is damaged: keep it for a person to see, out of the way of the others."""
        try:
            move_aside(path, self._folder / DAMAGED)
        except OSError as error:
            log.error("%s: %s cannot be moved aside: %s", self._name, path.name, error)

    def _is_file(self, path: Path) -> bool:
        try:
            return path.is_file() and not path.is_symlink()
        except OSError as error:
            # One that cannot be looked at keeps back no other.
            log.error("%s: %s cannot be read, the next start tries again: %s", self._name, path.name, error)
            return False
