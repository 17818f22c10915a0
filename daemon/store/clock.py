"""A clock for deciding what is old: it runs with the wall clock, but does not jump with it.

Whatever ages by the wall clock dies with it: a battery that is empty, a wrong year typed in, and every result is
thirty days old. This clock advances by what the monotonic clock measures while the service runs, and between two runs
by what the wall clock says, but never back and by half a day at most. At its first start it shows the time of the wall.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from pathlib import Path

from daemon.jobs.job import BAD_RECORD
from daemon.store.files import clear_temporary, write_durably

log = logging.getLogger(__name__)
# A longer rest counts as this, for it may be a clock gone wrong: what is kept a little longer does no harm.
LONGEST_REST_S = 43200.0


class ServiceClock:
    """Seconds since 1970, or nearly. Thread-safe."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        clear_temporary(file)
        wall = time.time()
        self._base = _resumed(file, wall)
        self._began = time.monotonic()

    def now(self) -> float:
        """The time of this clock."""
        with self._lock:
            return self._base + time.monotonic() - self._began

    def save(self) -> None:
        """Note where it is, for the next start; a disk that refuses only makes it slow."""
        text = json.dumps({"clock": self.now(), "wall": time.time()})
        try:
            write_durably(self._file, text.encode("ascii"))
        except OSError as error:
            log.warning("the time cannot be noted in %s: %s", self._file, error.strerror)


def _resumed(file: Path, wall: float) -> float:
    try:
        noted = json.loads(file.read_bytes())
        clock, then = float(noted["clock"]), float(noted["wall"])
    except (OSError, *BAD_RECORD):
        return wall
    if not (math.isfinite(clock) and math.isfinite(then)):
        return wall
    rest = wall - then
    if not 0 <= rest <= LONGEST_REST_S:
        log.warning(
            "the clock of this machine moved by %.0f s since the last run; ages go on from where they were", rest
        )
    return clock + min(max(rest, 0.0), LONGEST_REST_S)
