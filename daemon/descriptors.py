"""How many files and sockets may be open at once, and how many of them connections may take."""

from __future__ import annotations

import contextlib
import resource

# Programs that look through every possible descriptor would take minutes with the billion that some containers allow.
WANTED = 1 << 16
# For models, job files, the store, logs, inotify and libraries.
RESERVE = 128
MOST_CONNECTIONS = 2000
FEWEST_CONNECTIONS = 8


def raise_limit() -> None:
    """Take as many descriptors as the system lets us: the usual soft limit is for programs that still use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    # A sandbox may forbid it; then the soft limit has to do.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connection_limit() -> int:
    """Connections that may be open: whatever they do, descriptors are left for the rest of the service."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    # An upload or a download has a file besides its socket.
    room = (soft - min(RESERVE, soft // 2)) // 2
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, room))
