"""The gateway to Ray, from the service's side: started, listened to, and started anew whenever it ends."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from daemon.cluster import messages as say
from daemon.cluster.ray_folder import made_folder
from daemon.engine.channel import Channel, ChannelClosedError
from daemon.engine.child import start_process
from daemon.engine.codec import ProtocolError

log = logging.getLogger(__name__)
MAIN = "daemon.cluster.gateway_main"
TICK_S = 0.5
# Connecting takes seconds; on a busy machine with a slow disk Ray takes longer to come up.
START_S, SILENT_S = 180.0, 30.0
END_S = 3.0
FIRST_REST_S, LONGEST_REST_S = 0.5, 30.0
# One that has run for so long was well.
WELL_S = 60.0


@dataclass(frozen=True, slots=True)
class Down:
    """The gateway has ended: what ran is lost, and so are the places. `why`, in a few words."""

    why: str


class Gateway:
    """One thread starts it, and starts it anew; `send` is for any.

    Args:
        setup: answers what it is told first; its folder is made here. An OSError: it cannot start now.
        environment: of its process, besides ours.
        hear: told each message of it but `Beat`, and `Down`; in the thread.
        main: the module that it runs.
    """

    def __init__(
        self,
        setup: Callable[[], say.Setup],
        environment: Mapping[str, str],
        hear: Callable[[say.FromGateway | Down], None],
        main: str = MAIN,
    ) -> None:
        self._setup = setup
        self._environment = environment
        self._hear = hear
        self._main = main
        self._channel: Channel | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stop = threading.Event()
        self._tries = 0
        self._thread = threading.Thread(target=self._live, name="gateway", daemon=True)

    @property
    def pid(self) -> int | None:
        """The number of its process, if there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    def send(self, message: say.ToGateway) -> None:
        """Tell it something; that it is gone is heard otherwise."""
        channel = self._channel
        if channel is not None:
            with contextlib.suppress(ChannelClosedError):
                channel.send(message)

    def stop(self) -> None:
        """End it, and all that it has started."""
        self._stop.set()
        channel = self._channel
        if channel is not None:
            channel.shut()
        if self._thread.ident is not None:
            self._thread.join(END_S + 2 * TICK_S)

    # -- in its thread ------------------------------------------------------------------------------------

    def _live(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            why = self._once()
            if self._stop.is_set():
                return
            log.error("the gateway to Ray has ended: %s", why)
            self._hear(Down(why))
            self._tries = 0 if time.monotonic() - began > WELL_S else self._tries + 1
            self._stop.wait(min(FIRST_REST_S * 2 ** (self._tries - 1), LONGEST_REST_S) if self._tries else 0)

    def _once(self) -> str:
        """Run it until it ends; answers how it ended."""
        try:
            setup = self._setup()
        except OSError as error:
            return f"{error.filename or 'the folder of the results'}: {error.strerror or error}"
        with contextlib.ExitStack() as stack:
            try:
                folder = stack.enter_context(made_folder())
            except OSError as error:
                return f"a folder for Ray's sockets cannot be made: {error.strerror or error}"
            return self._run(replace(setup, folder=str(folder)))

    def _run(self, setup: say.Setup) -> str:
        ours, theirs = socket.socketpair()
        channel = self._channel = Channel(ours, say.CODEC)
        said = ""
        try:
            self._process = start_process(self._main, theirs, self._environment)
            theirs.close()
            channel.send(setup)
            said = self._listen(channel)
        except (ChannelClosedError, OSError) as error:
            said = str(error)
        finally:
            theirs.close()
            self._channel = None
            channel.close()
            how = self._bury()
        return said or how

    def _listen(self, channel: Channel) -> str:
        said, silent_s, most_s = "", 0.0, START_S
        while not self._stop.is_set():
            try:
                message = channel.receive(TICK_S)
            except ChannelClosedError:
                return said
            except ProtocolError as error:
                return str(error)
            # Counted in ticks, not by the clock: a machine that was suspended is no silent child.
            silent_s = 0.0 if message is not None else silent_s + TICK_S
            if silent_s >= most_s:
                return f"it gave no sign of life for {silent_s:.0f} s"
            match message:
                case None | say.Beat():
                    pass
                case say.Trouble(why=said):
                    pass
                case say.Up():
                    most_s = SILENT_S
                    self._hear(message)
                case _:
                    self._hear(message)
        return said

    def _bury(self) -> str:
        process, self._process = self._process, None
        if process is None:
            return "it cannot be started"
        try:
            code = process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        return f"it was ended by signal {-code}" if code < 0 else f"it ended with status {code}"


def ray_environment() -> dict[str, str]:
    """The environment of a gateway with a Ray of its own: all of it on the loopback interface, and behind a token."""
    return {
        **COMMON,
        # Named after the systems on which Ray does so by itself.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_ADDRESS": "",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": os.urandom(32).hex(),
        # Otherwise Ray gives each slot one thread, whatever PyTorch would take.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(len(os.sched_getaffinity(0))),
    }


COMMON = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL": "minor",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
}
