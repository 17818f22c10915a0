"""Locks of the system on folders and files that several processes of a machine use: they end with who holds them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LOCK = "lock"
# To be locked alone, a file has to be open for writing on some network file systems.
OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While this lasts no other process is here; the folder and the one it is in are made, for this user alone."""
    # What `mkdir` makes on its way is for everybody.
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder / LOCK, OPEN | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def removed(path: Path) -> bool:
    """Remove a file, unless a process holds it. Raises OSError."""
    try:
        descriptor = os.open(path, OPEN)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
