"""One question to a child process, from the side of who asks."""

from __future__ import annotations

import contextlib
import queue

from daemon.engine.channel import Channel, ChannelClosedError
from daemon.engine.messages import Message


class ChildGoneError(Exception):
    """The child has ended, or was ended; the message says how, in a few words."""


class Call:
    """One question to a child, and what it answers. Used by one thread."""

    def __init__(self, number: int, channel: Channel) -> None:
        self.id = number
        self._channel = channel
        # None: there will be no answer any more.
        self.answers: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.why = ""

    def send(self, message: Message) -> None:
        """Send a message; that the child is gone is seen at the next answer."""
        with contextlib.suppress(ChannelClosedError):
            self._channel.send(message)

    def next(self, timeout: float) -> Message | None:
        """The next answer; None if there is none for `timeout` seconds. Raises ChildGoneError."""
        try:
            message = self.answers.get(timeout=timeout)
        except queue.Empty:
            return None
        if message is None:
            # For whoever asks again.
            self.answers.put(None)
            raise ChildGoneError(self.why)
        return message
