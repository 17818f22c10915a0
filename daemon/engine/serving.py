"""The child's side of the pipe, whatever it is asked: beats, obeys the end of the pipe, and dies with the service."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from daemon.engine.channel import Channel, ChannelClosedError
from daemon.engine.codec import ENGINE, Codec, ProtocolError
from daemon.engine.faults import as_fault
from daemon.engine.messages import VERSION, Beat, Message, Said, Setup
from daemon.outside import logs

log = logging.getLogger(__name__)
BEAT_S = 0.5
# The exit status after an error that no further question would survive.
FAILED = 70
_PR_SET_PDEATHSIG = 1


def attach(codec: Codec = ENGINE) -> Channel:
    """The pipe that the command line names, for a process that lives as long as the service does."""
    # The service ends its children itself; what ends the service must not end them before it has said so.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A handler, unlike SIG_IGN, is not handed on to what the child starts itself.
        signal.signal(number, _ignore)
    # If memory is short, what can be started again goes first.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    # Also while something holds the interpreter, which would not see the end of the pipe.
    die_with_parent()
    # A crash in a library shows where, and `kill -USR1` shows what a process does that seems to hang.
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    return Channel(socket.socket(fileno=int(sys.argv[1])), codec)


def connect() -> tuple[Channel, Setup]:
    """The pipe that the command line names, and the first message on it."""
    channel = attach()
    try:
        setup = channel.receive()
    except ChannelClosedError:
        # The service has ended before the line above took hold.
        leave()
    if not isinstance(setup, Setup) or setup.version != VERSION:
        raise ProtocolError(f"not a setup of version {VERSION}: {setup}")
    logs.set_up(setup.level, setup.form)
    logging.getLogger().addHandler(logs.Teller(lambda *line: _say(channel, Said(*line))))
    return channel, setup


def _say(channel: Channel, said: Said) -> None:
    with contextlib.suppress(ChannelClosedError):
        channel.send(said)


def die_with_parent() -> None:
    """Have this process end with the thread that has started it."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The end of the pipe is what counts."""


def beat(channel: Channel, model: Callable[[], str | None]) -> None:
    """Show that the process runs, from a thread of its own, for ever."""

    def run() -> None:
        with contextlib.suppress(ChannelClosedError):
            while True:
                channel.send(Beat(model()))
                time.sleep(BEAT_S)

    threading.Thread(target=run, name="beat", daemon=True).start()


def messages(channel: Channel) -> Iterator[Message]:
    """What the service says; ends the process when that ends."""
    while True:
        try:
            message = channel.receive()
        except ChannelClosedError:
            leave()
        except ProtocolError as error:
            # Deaf to what comes after it, it would be of no use.
            log.error("the service said %s", error)
            leave(FAILED)
        if message is not None:
            yield message


@contextlib.contextmanager
def starting(channel: Channel) -> Iterator[None]:
    """What fails in here keeps the child from getting ready: it says so and ends."""
    try:
        yield
    except Exception as error:
        # The boundary of the process.
        with contextlib.suppress(ChannelClosedError):
            channel.send(as_fault(0, error))
        leave(FAILED)


def leave(status: int = 0) -> NoReturn:
    """End now. Nothing is tidied up: after a failure of the GPU that would hang, and the system does it as well."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(status)
