"""The progress of a file as one line that is rewritten, where a person is watching; nothing in a log."""

from __future__ import annotations

import sys
import time

from seedvr2.catalogue.registry import PublishedFile

_CLEAR = "\r\033[K"
_INTERVAL_S = 0.2


class ProgressLine:
    """Shows what `pull` and `check` report, on standard error."""

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty()
        self._work: tuple[str, str] | None = None
        self._began = self._shown = 0.0
        self._start = 0

    def show(self, entry: PublishedFile, stage: str, done: int, total: int) -> None:
        """`stage` of `entry` is `done` of `total` bytes along; 0 in all if that is not known."""
        now = time.monotonic()
        if self._work != (entry.name, stage):
            self._work, self._began, self._start, self._shown = (entry.name, stage), now, done, 0.0
        if not self._watched or (now - self._shown < _INTERVAL_S and done < total):
            return
        self._shown = now
        speed = (done - self._start) / max(now - self._began, 0.001)
        left = f", {_duration((total - done) / speed)} left" if speed and total else ""
        share = f" of {total / 1e9:.2f} GB ({done * 100 // total} %)" if total else " GB"
        text = f"{stage} {entry.name}: {done / 1e9:.2f}{share}, {speed / 1e6:.1f} MB/s{left}"
        print(f"{_CLEAR}{text}", end="", flush=True, file=sys.stderr)

    def end(self) -> None:
        """Clear the line, for something else to be printed."""
        if self._watched and self._work:
            print(_CLEAR, end="", flush=True, file=sys.stderr)
        self._work = None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
