"""Serves the application with waitress, in its own threads."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any

import waitress
from waitress import wasyncore

from daemon.api.channel import channel_class
from daemon.api.gate import Gate
from daemon.errors import ConfigError
from daemon.settings.keys import ServerSettings

log = logging.getLogger(__name__)


class ApiServer:
    """A listening server. The port is bound when this is made, so that an error shows at once.

    Raises:
        ConfigError: the address cannot be bound.
    """

    def __init__(self, app: Any, settings: ServerSettings, gate: Gate) -> None:
        try:
            self._server = waitress.create_server(
                app,
                host=settings.host,
                port=settings.port,
                # A stream holds its thread for as long as it is open.
                threads=settings.threads + settings.max_streams,
                connection_limit=2000,
                channel_timeout=60,
                # select() cannot take a descriptor above 1023 and would end the server.
                asyncore_use_poll=True,
                channel_request_lookahead=1,
                recv_bytes=256 * 1024,
                # The gate knows which request may bring how much.
                max_request_body_size=1 << 62,
                ident=None,
                log_socket_errors=False,
            )
        except OSError as error:
            raise ConfigError(
                f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}. "
                "Is another seedvr2d running? Set server.port (PORT) to another one."
            ) from error
        self._server.channel_class = channel_class(gate)
        self._thread = threading.Thread(target=self._server.run, name="api", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.effective_port)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the thread that accepts connections runs."""
        return self._thread.is_alive()

    def stop(self, timeout: float = 5.0) -> None:
        """Let requests that run end, then close."""
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=timeout)
        if self._thread.ident is None:
            self._server.close()
            return
        # In the server's own thread: a socket must not be closed under its poll().
        # A request that ends just now may wake the thread first; it has then closed everything, the trigger too.
        with contextlib.suppress(OSError):
            self._server.trigger.pull_trigger(self._close_all)
        self._thread.join(timeout)

    def _close_all(self) -> None:
        # A channel's own way of closing also lets go of the files that it was sending or receiving.
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        wasyncore.close_all(self._server._map, ignore_all=True)
