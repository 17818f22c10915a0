"""How much the disk of the uploads may still take."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Protocol

from daemon.api.surroundings import no_room
from daemon.store.files import free_bytes

# How old a glance may be: long enough that a flood of requests does not ask all the time.
FRESH_S = 2.0


class Yielding(Protocol):
    """What is on the disk only as long as nobody needs the room."""

    @property
    def total(self) -> int:
        """How many bytes that are."""

    def give_way(self, wanted: int) -> bool:
        """Make so many bytes free; answers whether any are now."""


class Room:
    """Keeps `min_free_bytes` of the disk free, for which `yielding` has to go first. Thread-safe.

    To ask a disk may take as long as it likes, a network share for minutes: who must not wait takes a `glance`.
    """

    def __init__(self, folder: Path, min_free_bytes: int, yielding: Yielding | None = None) -> None:
        self._folder = folder
        self._yielding = yielding
        self._min_free_bytes = min_free_bytes
        self._lock = threading.Lock()
        self._asking = False
        self._known: int | None = None
        self._asked = float("-inf")

    def check(self, more: int) -> None:
        """Ask the disk. Raises RequestError (507) if it cannot take `more` bytes, and OSError if it does not answer."""
        free = self._ask()
        missing = more + self._min_free_bytes - free
        if missing > 0 and self._yielding and self._yielding.give_way(missing):
            free = self._ask()
        self._judge(free, more)

    def glance(self, more: int) -> None:
        """Judge by the last that is known, at once, and have the disk asked anew. Raises RequestError (507)."""
        with self._lock:
            known = self._known
            due = not self._asking and time.monotonic() - self._asked >= FRESH_S
            self._asking = self._asking or due
        if due:
            threading.Thread(target=self._refresh, name="free space", daemon=True).start()
        if known is not None:
            self._judge(known + (self._yielding.total if self._yielding else 0), more)

    def _judge(self, free: int, more: int) -> None:
        if free < more + self._min_free_bytes:
            raise no_room()

    def _ask(self) -> int:
        free = free_bytes(self._folder)
        with self._lock:
            self._known, self._asked = free, time.monotonic()
        return free

    def _refresh(self) -> None:
        try:
            self._ask()
        except OSError:
            # Whoever writes there is told what is wrong.
            with self._lock:
                self._known, self._asked = None, time.monotonic()
        finally:
            with self._lock:
                self._asking = False
