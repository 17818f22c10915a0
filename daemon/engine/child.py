"""A child process of the service: started, listened to, ended and buried by one thread of its own.

That thread lives as long as the child does, so that PR_SET_PDEATHSIG, which goes by threads, means what it should.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from daemon.engine.call import Call, ChildGoneError
from daemon.engine.channel import Channel, ChannelClosedError
from daemon.engine.codec import ProtocolError
from daemon.engine.messages import VERSION, Beat, DeviceReport, Fault, Message, Ready, Said, Setup
from daemon.outside.logs import TAIL

log = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
TICK_S = 1.0
# Without a beat for so long the process is not running, or something in it holds the interpreter.
SILENT_S = 60.0
# Importing the engine from a slow disk may hold the interpreter for long.
START_S = 300.0
# Who does not end by itself once its pipe is closed is killed.
END_S = 2.0


def start_process(main: str, end: socket.socket, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the module `main`, which gets the number of its end of a pipe.

    Args:
        environment: what its environment is to have besides ours.

    Raises:
        OSError: the system refuses.
    """
    fd = end.fileno()
    # The settings it needs are in its first message; the secrets among them are none of its business.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SEEDVR2_")}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        # -P: what lies in the working folder is no part of the program.
        [sys.executable, "-P", "-m", main, str(fd)],
        stdin=subprocess.DEVNULL,
        pass_fds=(fd,),
        env={**inherited, "PYTHONPATH": os.pathsep.join(paths), **environment},
        # Ctrl-C is for the service, which ends its children in order.
        start_new_session=True,
    )


class Child:
    """A child that runs the module `main`; begins at once. Thread-safe.

    Args:
        main: name of the module; it gets the number of its end of the pipe.
        setup: the first message to it.
        environment: what its environment is to have besides ours.
        linger_s: how long it may be without a question and without a model; 0: for ever.
        label: what its lines are marked with in the end of the log, of `logs.PROCESSES`.
    """

    def __init__(
        self, main: str, setup: Setup, environment: Mapping[str, str], linger_s: float, label: str = "engine"
    ) -> None:
        self._main = main
        self._label = label
        self._setup = setup
        self._environment = environment
        self._linger_s = linger_s
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._calls: dict[int, Call] = {}
        self._over = False
        self._why = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        self._used = time.monotonic()
        self._ready, self._ended = threading.Event(), threading.Event()
        # Who takes it first tells what the child computes on.
        self.introduced = threading.Semaphore()
        self.device: DeviceReport | None = None
        # What it said before it ended instead of getting ready.
        self.fault: Fault | None = None
        self.model: str | None = None
        ours, self._theirs = socket.socketpair()
        self._channel = Channel(ours)
        threading.Thread(target=self._live, name=main.rpartition(".")[2], daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return not self._over

    @property
    def pid(self) -> int | None:
        """Its number, once it was started."""
        return self._process.pid if self._process else None

    @property
    def why(self) -> str:
        """How it ended, in a few words."""
        return self._why

    @property
    def signal(self) -> int:
        """The signal that ended it; 0 if none did, or if it was ours."""
        code = self._process.returncode if self._process else None
        return -code if code is not None and code < 0 and not self._killed else 0

    def wait_ready(self, timeout: float) -> bool:
        """Wait until it can be asked, or has ended; whether it is one of both by now."""
        return self._ready.wait(timeout)

    @contextlib.contextmanager
    def call(self) -> Iterator[Call]:
        """Ask it something. Raises ChildGoneError."""
        with self._lock:
            if self._over:
                raise ChildGoneError(self._why)
            call = Call(next(self._numbers), self._channel)
            self._calls[call.id] = call
        try:
            yield call
        finally:
            with self._lock:
                self._calls.pop(call.id, None)
                self._used = time.monotonic()

    def end(self, why: str = "it was ended") -> None:
        """Let it end by itself, or else kill it; returns when it is gone."""
        self._stop(why)
        if not self._ended.wait(END_S + TICK_S):
            self.kill(why)

    def kill(self, why: str) -> None:
        """End it at once, whatever it does; returns when it is gone, or is stuck where no signal reaches it."""
        self._stop(why)
        self._kill()
        self._ended.wait(END_S)

    def _stop(self, why: str) -> None:
        with self._lock:
            self._over, self._why = True, self._why or why
        self._channel.shut()

    # -- in its thread ------------------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            self._start()
            self._listen()
        except OSError as error:
            self._why = self._why or f"it cannot be started: {error.strerror or error}"
        finally:
            self._theirs.close()
            self._bury()

    def _start(self) -> None:
        self._process = start_process(self._main, self._theirs, self._environment)
        self._theirs.close()
        with contextlib.suppress(ChannelClosedError):
            self._channel.send(self._setup)

    def _listen(self) -> None:
        silent_s = 0.0
        try:
            while not self._over:
                message = self._channel.receive(TICK_S)
                # Counted in ticks, not by the clock: a machine that was suspended is no silent child.
                silent_s = 0.0 if message is not None else silent_s + TICK_S
                if message is not None:
                    self._take(message)
                elif silent_s >= (SILENT_S if self._ready.is_set() else START_S):
                    self._why = self._why or f"it gave no sign of life for {silent_s:.0f} s"
                    self._kill()
                    break
                if self._idled():
                    break
        except ChannelClosedError:
            pass
        except ProtocolError as error:
            log.error("%s: %s", self._main, error)
            self._why = self._why or "it said something that nobody understands"
            self._kill()

    def _take(self, message: Message) -> None:
        match message:
            case Beat(model=model):
                self.model = model
            case Ready(version=version, device=device):
                if version != VERSION:
                    raise ProtocolError(f"it speaks version {version} of the protocol; restart the service")
                self.device = device
                self._ready.set()
            case Said(level=level, logger=logger, text=text):
                TAIL.keep(self._label, level, logger, text)
            case Fault(id=0):
                self.fault = message
            case _:
                with self._lock:
                    call = self._calls.get(getattr(message, "id", 0))
                if call is not None:
                    call.answers.put(message)

    def _idled(self) -> bool:
        with self._lock:
            if self._calls or self.model is not None or not self._ready.is_set():
                self._used = time.monotonic()
            if not self._linger_s or time.monotonic() - self._used < self._linger_s:
                return False
            # Under the lock: no question can come in between.
            self._over, self._why = True, "it was not needed"
            return True

    def _bury(self) -> None:
        with self._lock:
            self._over = True
        self._channel.close()
        if self._process is not None:
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._kill()
                self._process.wait()
        with self._lock:
            self.model = None
            self._why = self._why or self._how()
            for call in self._calls.values():
                call.why = self._why
                call.answers.put(None)
        self._ready.set()
        self._ended.set()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._killed = True
            # Between its end and its burial the number is still its own.
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _how(self) -> str:
        code = self._process.returncode if self._process else None
        if code == -signal.SIGKILL:
            return "it was ended by SIGKILL, as the system does when memory is short"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"it was ended by {signal.Signals(-code).name}"
        return f"it ended by itself with status {code}"
