"""Answers about the folders of the models, remembered while nothing in them changes: a child reads their files."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TypeVar

from seedvr2.catalogue.hashes import memory_of
from seedvr2.catalogue.places import ModelsDir, look

T = TypeVar("T")
# Names of models that clients make up are remembered as well.
MOST = 64


class FolderMemory:
    """Thread-safe. Links are followed, so that a file that changes behind one is noticed."""

    def __init__(self, folders: ModelsDir) -> None:
        self._folders = folders
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
        """What tells one state of the folders from another; None if one of them does not let itself be read."""
        stock = look(self._folders)
        if stock.refused:
            return None
        files = [path for path, _own in stock.files]
        hashes = {memory_of(path)[0] for path in files}
        return tuple(_stamp(path) for path in [*files, *sorted(hashes)])


def _stamp(path: Path) -> tuple[str, int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns
