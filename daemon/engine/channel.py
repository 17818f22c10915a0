"""One end of the pipe between the service and a child of its: messages in, messages out."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from typing import Any

from daemon.engine.codec import ENGINE, Codec, ProtocolError

# A list of some thousand models; beyond it, whatever sends it has gone mad.
LONGEST = 1 << 24
# A message is far smaller than what the system buffers: who does not take one for so long does not read any more.
SEND_S = 10
_CHUNK = 1 << 16


class ChannelClosedError(Exception):
    """The other end is gone, or does not read any more."""


class Channel:
    """Sends from any thread, receives in one.

    Args:
        end: a connected stream socket, owned from now on.
        codec: of the messages that go through it.
    """

    def __init__(self, end: socket.socket, codec: Codec = ENGINE) -> None:
        self._end = end
        self._codec = codec
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_S, 0))
        self._sending = threading.Lock()
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)
        self._got = bytearray()

    def send(self, message: Any) -> None:
        """Send a message. Raises ChannelClosedError."""
        line = self._codec.encode(message)
        try:
            with self._sending:
                self._end.sendall(line)
        except OSError as error:
            raise ChannelClosedError from error

    def receive(self, timeout: float | None = None) -> Any:
        """The next message, or None if there is none for `timeout` seconds.

        Raises:
            ChannelClosedError: there will be none any more.
            ProtocolError: what came is none.
        """
        while (end := self._got.find(b"\n")) < 0:
            if len(self._got) > LONGEST:
                raise ProtocolError(f"more than {LONGEST} bytes without an end")
            if not self._poll.poll(None if timeout is None else 1000 * timeout):
                return None
            try:
                chunk = self._end.recv(_CHUNK)
            except OSError as error:
                raise ChannelClosedError from error
            if not chunk:
                raise ChannelClosedError
            self._got += chunk
        line = bytes(self._got[:end])
        del self._got[: end + 1]
        return self._codec.decode(line)

    def shut(self) -> None:
        """Let both sides see the end, also a `receive` that another thread is in."""
        with contextlib.suppress(OSError):
            # The other end may have been faster.
            self._end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the descriptor back; only by the thread that receives."""
        self.shut()
        self._end.close()
