"""Tells systemd how the service is (sd_notify): one datagram, nothing at all without systemd."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(*assignments: str) -> None:
    """Send `READY=1`, `STATUS=…` and the like; never fails."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto("\n".join(assignments).encode(), address)


def watchdog_s() -> float | None:
    """Seconds within which systemd wants to hear from us; None if it does not."""
    try:
        microseconds = int(os.environ["WATCHDOG_USEC"])
        if int(os.environ.get("WATCHDOG_PID", os.getpid())) != os.getpid():
            return None
    except (KeyError, ValueError):
        return None
    return microseconds / 1e6
