"""Serves the application with waitress, in its own threads."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments

from daemon.api.channel import channel_class
from daemon.api.disk_threads import DiskThreads
from daemon.api.gate import MAX_BODY, Gate
from daemon.api.listener import Dispatcher, Listener
from daemon.descriptors import connection_limit
from daemon.errors import ConfigError
from daemon.settings.keys import ServerSettings


class ApiServer:
    """A listening server. The port is bound when this is made, so that an error shows at once.

    Raises:
        ConfigError: the address cannot be bound.
    """

    def __init__(self, app: Any, settings: ServerSettings, gate: Gate) -> None:
        self._map: dict[int, Any] = {}
        # Apart from each other, for uploads and results may be on different disks.
        self._writers, self._readers = DiskThreads("writer"), DiskThreads("reader")
        # A stream holds its thread for as long as it is open.
        self._dispatcher = Dispatcher(settings.threads + settings.max_streams)
        try:
            adjustments = _adjustments(settings)
            # One for each address: a name may have several, such as 127.0.0.1 and ::1.
            self._listeners = [
                Listener(app, self._map, dispatcher=self._dispatcher, adj=adjustments, sockinfo=address)
                for address in adjustments.listen
            ]
        except (OSError, ValueError) as error:
            self._dispatcher.shutdown()
            wasyncore.close_all(self._map, ignore_all=True)
            raise ConfigError(
                f"{settings.host}:{settings.port} cannot be listened on: {getattr(error, 'strerror', None) or error}. "
                "Is another seedvr2d running? Set server.port (PORT) to another one."
            ) from error
        for listener in self._listeners:
            listener.channel_class = channel_class(gate, self._writers, self._readers)
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listeners[0].effective_port)

    def start(self) -> None:
        """Begin to answer."""
        self._writers.start()
        self._readers.start()
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the thread that accepts connections runs."""
        return self._thread.is_alive()

    def stop(self, timeout: float = 5.0) -> None:
        """Let requests that run end, then close."""
        self._dispatcher.shutdown(cancel_pending=True, timeout=timeout)
        if self._thread.ident is None:
            self._close_all()
            return
        # In the server's own thread: a socket must not be closed under its poll().
        # A request that ends just now may wake the thread first; it has then closed everything, the trigger too.
        with contextlib.suppress(OSError):
            self._listeners[0].trigger.pull_trigger(self._close_all)
        self._thread.join(timeout)
        # What unfinished uploads left is being removed.
        self._writers.stop(timeout)
        self._readers.stop(timeout)

    def _run(self) -> None:
        # poll, since select() cannot take a descriptor above 1023 and would end the server.
        wasyncore.loop(timeout=1.0, use_poll=True, map=self._map)

    def _close_all(self) -> None:
        # A channel's own way of closing also lets go of the files that it was sending or receiving.
        for listener in self._listeners:
            for channel in list(listener.active_channels.values()):
                channel.handle_close()
        wasyncore.close_all(self._map, ignore_all=True)


def _adjustments(settings: ServerSettings) -> Adjustments:
    return Adjustments(
        host=settings.host,
        port=settings.port,
        connection_limit=connection_limit(),
        channel_timeout=60,
        channel_request_lookahead=1,
        recv_bytes=256 * 1024,
        # Other bodies than forms stay in memory: a temporary file would be written in the thread of the sockets.
        inbuf_overflow=2 * MAX_BODY,
        # The gate knows which request may bring how much.
        max_request_body_size=1 << 62,
        ident=None,
        log_socket_errors=False,
    )
