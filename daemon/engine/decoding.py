"""At most two files are decoded at a time beside the running job, and only what fits into memory together.

Uploads, the inbox and the page's thumbnails all decode, each in threads of its own: a dozen large pictures at once
would take what the service has, though each alone fits.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.jobs.job import Media
from seedvr2.errors import OutOfMemoryError
from seedvr2.planning import host_memory

AT_ONCE = 2
PATIENCE_S = 60.0


class DecodingGate:
    """Lets threads in while there is room. Thread-safe."""

    def __init__(self, at_once: int = AT_ONCE, patience_s: float = PATIENCE_S) -> None:
        self._at_once = at_once
        self._patience_s = patience_s
        self._needs: list[int] = []
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, name: str, need: int) -> Iterator[None]:
        """Wait for a place and for `need` bytes beside what the others in here may still take.

        One that is alone is let in whatever it needs: whether that fits, and what is said if not, is the engine's.

        Raises:
            OutOfMemoryError: there was no place for a minute.
        """
        deadline = time.monotonic() + self._patience_s
        with self._changed:
            while not self._has_room(need):
                # Memory is also freed by others, of which nobody tells.
                if not self._changed.wait(min(max(deadline - time.monotonic(), 0), 1)) and time.monotonic() >= deadline:
                    raise OutOfMemoryError(f"Too many large files are being read to look into {name}; try again soon.")
            self._needs.append(need)
        try:
            yield
        finally:
            with self._changed:
                self._needs.remove(need)
                self._changed.notify_all()

    def _has_room(self, need: int) -> bool:
        if not self._needs:
            return True
        return len(self._needs) < self._at_once and sum(self._needs) + need <= host_memory.obtainable()


# One for the process, as the memory is.
_GATE = DecodingGate()


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Decode the file at `path` in here. Raises as `DecodingGate.hold`."""
    need: Any = importlib.import_module("seedvr2.media.need")
    with _GATE.hold(path.name, need.decoding_need(path)):
        yield


@contextmanager
def room(name: str, need: int) -> Iterator[None]:
    """Have a file that takes `need` bytes decoded in here, by another process. Raises as `DecodingGate.hold`."""
    with _GATE.hold(name, need):
        yield


def look_into(path: Path) -> Media:
    """What a file is, after decoding its first frame. Only with room for it; errors as `Executor.probe`."""
    media: Any = importlib.import_module("seedvr2.media")
    with media.open_source(path) as source:
        source.prove()
        info = source.info
    return Media(
        kind=info.kind,
        width=info.width,
        height=info.height,
        frames=info.frames or 1,
        fps=float(info.fps) if info.fps else None,
        duration_s=info.duration_s,
        incomplete=info.incomplete,
        formats=media.result_formats(info),
        bit_depth=info.bit_depth,
        alpha=info.has_alpha,
    )
