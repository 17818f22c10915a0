"""Answers about the folder of the models, remembered while nothing in it changes: its files are read by a child."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
# Names of models that clients make up are remembered as well.
MOST = 64


class FolderMemory:
    """Thread-safe. Links are followed, so that a file that changes behind one is noticed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._stamp: object = None
        self._known: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, question: Hashable, ask: Callable[[], T], lasts: Callable[[T], bool]) -> T:
        """The answer that is remembered, or else that of `ask`, which is remembered if it `lasts`."""
        stamp = self._look()
        with self._lock:
            if stamp is None or stamp != self._stamp:
                self._known.clear()
                self._stamp = stamp
            elif question in self._known:
                return self._known[question]  # type: ignore[return-value] # it is what `ask` once answered
        answer = ask()
        with self._lock:
            # Whatever changed in the meantime may be in the answer or not.
            if lasts(answer) and stamp is not None and stamp == self._stamp == self._look():
                self._known[question] = answer
                while len(self._known) > MOST:
                    self._known.popitem(last=False)
        return answer

    def _look(self) -> object:
        """What tells one state of the folder from another; None if it does not let itself be read."""
        try:
            with os.scandir(self._folder) as entries:
                return tuple(sorted(_stamp(entry) for entry in entries))
        except FileNotFoundError:
            return ()
        except OSError:
            return None


def _stamp(entry: os.DirEntry[str]) -> tuple[str, int, int, int]:
    try:
        status = entry.stat()
    except OSError:
        return entry.name, 0, 0, 0
    return entry.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns
