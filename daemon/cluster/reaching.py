"""Whether there is somebody at an address before Ray is asked, which would try for a minute and not say why."""

from __future__ import annotations

import socket
import time

# Until a head that was started has to answer, and until somebody does who is there.
HEAD_S, REACH_S = 60.0, 2.0


class NoRayError(Exception):
    """There is no Ray to work with; the message says what to look at."""


def parted(address: str) -> tuple[str, int]:
    """Host and port of `192.168.1.10:8210` or `[::1]:8210`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def check_own(address: str) -> None:
    """Raise NoRayError where this machine does not have the address: Ray would try for a minute."""
    host, _ = parted(address)
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(place)
    except OSError as error:
        what = "see to the network, or correct cluster.address"
        raise NoRayError(
            f"this machine does not have the address {host} ({error.strerror or error}); {what}"
        ) from error


def check_there(address: str) -> None:
    """Raise NoRayError where nobody listens: Ray would try for a minute."""
    try:
        socket.create_connection(parted(address), timeout=REACH_S).close()
    except OSError as error:
        raise NoRayError(f"nothing answers at {address} ({error.strerror or error})") from error


def wait_for(address: str) -> None:
    """Wait until somebody listens there: Ray itself, asked too early, would wait for half a minute. Raises OSError."""
    deadline = time.monotonic() + HEAD_S
    while True:
        try:
            socket.create_connection(parted(address), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
