"""How full the disks of some folders are, asked so that one that does not answer holds up nobody."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 1.5


@dataclass(frozen=True, slots=True)
class Room:
    """What is known of a folder's disk, in bytes; None and a `problem` where it cannot be told."""

    path: Path
    free: int | None = None
    total: int | None = None
    problem: str = ""


class Space:
    """For any thread. A disk is asked by one thread at a time, however long that takes."""

    def __init__(self, folders: Mapping[str, Path], patience_s: float = PATIENCE_S) -> None:
        self._folders = dict(folders)
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._asking: dict[str, threading.Thread] = {}
        self._known: dict[str, Room] = {}

    def look(self) -> dict[str, Room]:
        """The room of each folder, within PATIENCE_S for all together."""
        threads = {name: self._ask(name) for name in self._folders}
        deadline = time.monotonic() + self._patience_s
        for thread in threads.values():
            thread.join(max(deadline - time.monotonic(), 0))
        silent = "its disk or network share does not answer"
        return {
            name: Room(self._folders[name], problem=silent) if thread.is_alive() else self._known[name]
            for name, thread in threads.items()
        }

    def _ask(self, name: str) -> threading.Thread:
        with self._lock:
            thread = self._asking.get(name)
            if thread is None or not thread.is_alive():
                thread = threading.Thread(target=self._measure, args=(name,), name=f"space of {name}", daemon=True)
                self._asking[name] = thread
                thread.start()
            return thread

    def _measure(self, name: str) -> None:
        folder = self._folders[name]
        try:
            usage = shutil.disk_usage(folder)
        except OSError as error:
            self._known[name] = Room(folder, problem=(error.strerror or str(error)).lower())
        else:
            self._known[name] = Room(folder, usage.free, usage.total)
