"""The gateway's process: `python -m daemon.cluster.gateway_main FD`, started by `gateway.py`.

It holds the driver of Ray, which ends its own process when Ray is lost: that costs the service this process and no
more. When the pipe to the service ends, it leaves at once, and Ray ends the slots that it had started.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ray

from daemon.cluster import messages as say
from daemon.cluster.bench import Bench
from daemon.cluster.floor import Floor
from daemon.cluster.reaching import NoRayError, check_own, check_there, wait_for
from daemon.cluster.slot import Workbench
from daemon.engine.channel import Channel, ChannelClosedError
from daemon.engine.codec import ProtocolError
from daemon.engine.serving import FAILED, attach, die_with_parent, leave
from daemon.outside import logs

log = logging.getLogger(__name__)
BEAT_S, WATCH_S = 0.5, 0.25
# For how long a Ray of somebody else may not be reached, and how often it is tried.
AWAY_S, PAUSE_S = 10.0, 2.0
# Of a Ray of its own; it holds no more than answers and the bytes that pass through.
OBJECT_STORE_BYTES = 1 << 30
# Without these there is no Ray to speak of.
_VITAL = ("gcs_server", "raylet")


def main(make: Callable[[Mapping[str, Any]], Workbench] = Bench) -> None:
    """Do what the service says until the pipe ends. `make`: what does the work in a slot."""
    channel = attach(say.CODEC)
    try:
        setup = channel.receive()
    except ChannelClosedError:
        leave()
    if not isinstance(setup, say.Setup) or setup.version != say.VERSION:
        raise ProtocolError(f"not a setup of version {say.VERSION}: {setup}")
    logs.set_up(setup.level, setup.form)
    # What lies in the folder that the service was started in is no part of the program, here as in the slots.
    os.chdir(setup.folder)
    try:
        if setup.head:
            check_own(setup.address)
            start_head([str(word) for word in setup.head], setup.folder)
            wait_for(setup.address)
        elif setup.address:
            check_there(setup.address)
        connect(setup)
        channel.send(say.Up(say.VERSION, ray.__version__))
        asyncio.run(_serve(channel, setup, make))
    except ChannelClosedError:
        leave()
    except NoRayError as error:
        with contextlib.suppress(ChannelClosedError):
            channel.send(say.Trouble(str(error)))
    except Exception as error:
        # The boundary of the process.
        log.error("the gateway to Ray ends", exc_info=error)
        with contextlib.suppress(ChannelClosedError):
            channel.send(say.Trouble(f"{type(error).__name__}: {error}".partition("\n")[0][:300]))
    leave(FAILED)


def start_head(command: list[str], folder: str) -> None:
    """Start a Ray that other machines can join; both it and this process end with the other."""
    # The thread that starts it lives as long as this process does, which PR_SET_PDEATHSIG goes by.
    process = subprocess.Popen([*command, "--temp-dir", folder], stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def watch() -> None:
        process.wait()
        log.error("Ray has ended with status %s", process.returncode)
        leave(FAILED)

    threading.Thread(target=watch, name="head", daemon=True).start()


def connect(setup: say.Setup) -> None:
    """Connect to Ray, or start one of its own. Raises what Ray raises."""
    more: dict[str, Any] = {"address": setup.address}
    if not setup.address:
        more = {
            "address": "local",
            "num_cpus": max(setup.gpus, 1),
            "num_gpus": setup.gpus,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
            "_temp_dir": setup.folder,
        }
    try:
        ray.init(**more, namespace="seedvr2d", log_to_driver=False, configure_logging=False)
    except ConnectionError as error:
        if setup.mode != "join":
            raise
        raise NoRayError(
            f"what listens at {setup.address} does not let this service in: it is another Ray, or its token or its "
            "certificates are others; see RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH, and cluster.secrets for TLS"
        ) from error


async def _serve(channel: Channel, setup: say.Setup, make: Callable[[Mapping[str, Any]], Workbench]) -> None:
    loop = asyncio.get_running_loop()

    def send(message: say.FromGateway) -> None:
        try:
            channel.send(message)
        except ChannelClosedError:
            leave()

    floor = Floor(send, make, setup)
    threading.Thread(target=_listen, args=(channel, loop, floor, setup.folder), name="pipe", daemon=True).start()
    if not setup.address:
        threading.Thread(target=_watch, name="watch", daemon=True).start()
    elif setup.mode == "join":
        threading.Thread(target=_watch_other, args=(channel, setup.address), name="watch", daemon=True).start()
    tasks = [asyncio.create_task(_beat(channel)), asyncio.create_task(floor.look_around())]
    await asyncio.gather(*tasks)


async def _beat(channel: Channel) -> None:
    while True:
        channel.send(say.Beat())
        await asyncio.sleep(BEAT_S)


def _listen(channel: Channel, loop: asyncio.AbstractEventLoop, floor: Floor, folder: str) -> None:
    while True:
        try:
            message = channel.receive()
        except ChannelClosedError:
            # The service may have been killed, and Ray leaves its sockets and its logs.
            shutil.rmtree(folder, ignore_errors=True)
            leave()
        except ProtocolError as error:
            log.error("the service said %s", error)
            leave(FAILED)
        loop.call_soon_threadsafe(floor.take, message)


def _watch() -> None:
    """Leave when a part of the Ray that was started here has ended: it would take a minute to notice by itself."""
    vital = {pid: name for pid, name in _children() if name in _VITAL}
    while True:
        for pid, name in vital.items():
            if _name_of(pid) != name:
                log.error("%s has ended; Ray is started anew", name)
                leave(FAILED)
        threading.Event().wait(WATCH_S)


def _watch_other(channel: Channel, address: str) -> None:
    """Leave when the Ray of somebody else has ended: it would take a minute to notice by itself."""
    since = time.monotonic()
    while True:
        try:
            check_there(address)
            since = time.monotonic()
        except NoRayError as error:
            # One that keeps its state elsewhere may come back with all that runs.
            if time.monotonic() - since > AWAY_S:
                with contextlib.suppress(ChannelClosedError):
                    channel.send(say.Trouble(f"{error} for {AWAY_S:.0f} s"))
                leave(FAILED)
        threading.Event().wait(PAUSE_S)


def _children() -> Iterator[tuple[int, str]]:
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            for pid in (thread / "children").read_text(encoding="ascii").split():
                yield int(pid), _name_of(int(pid))


def _name_of(pid: int) -> str:
    """Of a process that runs; empty of one that has ended, though nobody has asked how."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    name, _, rest = words.partition("(")[2].rpartition(")")
    return "" if rest.split()[0] in "ZX" else name


if __name__ == "__main__":
    main()
