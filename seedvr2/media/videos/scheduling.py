"""Real-time priority, which an encoder takes where it may, taken back.

SVT-AV1 puts the thread that opens it and its own threads above all others of the machine when it runs as root, as in a
container. Whatever the process does from then on, and all that it starts, comes before everybody else's work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_REAL_TIME = (os.SCHED_FIFO, os.SCHED_RR)
_THREADS = Path("/proc/self/task")


@contextmanager
def keeping_priority() -> Iterator[None]:
    """Whatever is opened within, this thread and those that came up meanwhile are scheduled as this one was before."""
    policy, parameters, known = os.sched_getscheduler(0), os.sched_getparam(0), _threads()
    try:
        yield
    finally:
        for thread in (0, *(_threads() - known)):
            # It may have ended.
            with suppress(OSError):
                if policy not in _REAL_TIME and os.sched_getscheduler(thread) in _REAL_TIME:
                    os.sched_setscheduler(thread, policy, parameters)


def _threads() -> set[int]:
    try:
        return {int(entry.name) for entry in _THREADS.iterdir()}
    except OSError:
        return set()
