"""Accepts connections and finds them a thread, also where there are more of them than descriptors or threads."""

from __future__ import annotations

import contextlib
import errno
import logging
import time
from typing import Any

from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

log = logging.getLogger(__name__)
# accept() fails so without taking the connection, and would fail again at once.
SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
REST_S = 1.0
SAY_AGAIN_S = 60.0
# Answered even while a disk holds every other thread.
EXPRESS_PATHS = ("/health",)


class Listener(TcpWSGIServer):  # type: ignore[misc] # waitress has no types
    """Waitress's own, which closes idle connections rather than refuse new ones."""

    _rests_until = 0.0
    _said = float("-inf")

    def readable(self) -> bool:
        """Whether to accept; waitress asks once in each round of its loop."""
        limit = self.adj.connection_limit
        if len(self._map) >= limit - max(1, limit // 8):
            self._make_room()
        return bool(super().readable()) and time.monotonic() >= self._rests_until

    def accept(self) -> Any:
        """The next connection. Raises OSError, which waitress drops."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno in SCARCE:
                self._rest(error)
            raise

    def pull_trigger(self) -> None:
        """Wake the thread of the sockets, if it still runs: its descriptors may be somebody else's afterwards."""
        if not self.trigger._closed:
            with contextlib.suppress(OSError):
                super().pull_trigger()

    def _rest(self, error: OSError) -> None:
        """The connection still waits and would wake the loop at once, for nothing, again and again."""
        now = time.monotonic()
        self._rests_until = now + REST_S
        self._make_room()
        if now - self._said >= SAY_AGAIN_S:
            self._said = now
            log.error("no connection can be accepted: %s; idle ones are closed", error.strerror)

    def _make_room(self) -> None:
        """Close the connection that has been idle for the longest."""
        idle = [channel for channel in self.active_channels.values() if channel.idle]
        if idle:
            # Waitress closes it itself, later in this round.
            min(idle, key=lambda channel: float(channel.last_activity)).will_close = True


class Dispatcher:
    """Threads that answer, and one more that answers only what must always be answered."""

    def __init__(self, threads: int) -> None:
        self._common = ThreadedTaskDispatcher()
        self._common.set_thread_count(threads)
        self._express = ThreadedTaskDispatcher()
        self._express.set_thread_count(1)

    def add_task(self, channel: Any) -> None:
        """Have the first request of a channel answered."""
        express = channel.requests[0].error is None and channel.requests[0].path in EXPRESS_PATHS
        (self._express if express else self._common).add_task(channel)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5.0) -> None:
        """Let requests that run end."""
        self._common.shutdown(cancel_pending, timeout)
        self._express.shutdown(cancel_pending, timeout)
