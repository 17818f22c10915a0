"""The folder of previews, which are kept for some minutes only. All that is in it is ours; names that are not stay."""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import threading
import time
from pathlib import Path

log = logging.getLogger(__name__)
KEPT_S = 900.0
MOST_BYTES = 512 << 20
_OURS = re.compile(r"[0-9a-f]{16}")
_IMAGE = re.compile(r"[\w.-]{1,80}\.png")


class Previews:
    """Folders of images, one for each preview. Thread-safe.

    Args:
        folder: made where it is needed; what an earlier run left in it goes at once.
        kept_s: how long each is kept. most_bytes: of all together, the oldest go first; the newest stays in any case.
    """

    def __init__(self, folder: Path, *, kept_s: float = KEPT_S, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._kept_s = kept_s
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        # When each was finished, by the clock that nobody sets; infinite while it is made.
        self._finished: dict[str, float] = {}
        self.tidy()

    def begin(self) -> Path:
        """An empty folder for a new one, whose name is its id. Raises OSError."""
        self.tidy()
        path = self._folder / secrets.token_hex(8)
        with self._lock:
            self._finished[path.name] = float("inf")
        path.mkdir(parents=True)
        return path

    def keep(self, path: Path) -> float:
        """It is complete; how many seconds it will be kept."""
        with self._lock:
            self._finished[path.name] = time.monotonic()
        self.tidy()
        timer = threading.Timer(self._kept_s + 1, self.tidy)
        timer.daemon = True
        timer.start()
        return self._kept_s

    def drop(self, path: Path) -> None:
        """It did not come to anything."""
        with self._lock:
            self._finished.pop(path.name, None)
        self.tidy()

    def find(self, name: str, image: str) -> Path | None:
        """An image of a preview that is kept."""
        with self._lock:
            known = name in self._finished
        path = self._folder / name / image
        return path if known and _IMAGE.fullmatch(image) and path.is_file() else None

    def tidy(self) -> None:
        """Remove what is too old, or too much."""
        oldest = time.monotonic() - self._kept_s
        with self._lock:
            by_age = sorted(self._finished, key=lambda name: self._finished[name], reverse=True)
            total = 0
            for index, name in enumerate(by_age):
                total += _bytes(self._folder / name)
                finished = self._finished[name] < float("inf")
                if finished and (self._finished[name] <= oldest or (index and total > self._most_bytes)):
                    del self._finished[name]
            kept = set(self._finished)
            for path in _folders(self._folder):
                if path.name not in kept:
                    shutil.rmtree(path, ignore_errors=True)


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if _OURS.fullmatch(path.name) and not path.is_symlink()]
    except OSError:
        return []


def _bytes(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except OSError:
        return 0
