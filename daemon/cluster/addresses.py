"""The address by which other machines call the head."""

from __future__ import annotations

import ipaddress
import socket

from daemon.cluster.head import FIXED_PORTS
from daemon.errors import ClusterError
from daemon.settings.config import Config


def address_of(config: Config) -> tuple[str, int]:
    """The IP address and the port of `[cluster] address`.

    Raises:
        ClusterError: there is none, or it is that of no single interface.
    """
    host, _, port = config.cluster.address.rpartition(":")
    host, most = host.strip("[]"), max(FIXED_PORTS.values())
    if not host or not port.isdecimal():
        raise ClusterError(
            "Set cluster.address to the address of this machine for the others, such as 192.168.1.10:8210."
        )
    if int(port) + most >= 1 << 16:
        raise ClusterError(f"cluster.address: the {most} ports after {port} are used, too, and there are fewer.")
    try:
        found = ipaddress.ip_address(_resolved(host))
    except ValueError as error:
        raise ClusterError(f"cluster.address: {host!r:.80} is no address.") from error
    if found.is_loopback:
        raise ClusterError(
            f"cluster.address: no other machine can call {found}; set it to the address of this machine for the "
            'others, or mode = "local" for the GPUs of this machine alone.'
        )
    if found.is_unspecified:
        raise ClusterError("cluster.address has to be the address that other machines call, not all of them.")
    return str(found), int(port)


def shown_addresses(host: str) -> tuple[str, str]:
    """What the certificate of a machine with this address is for."""
    return host, "::1" if ":" in host else "127.0.0.1"


def _resolved(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        try:
            return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
        except OSError as error:
            raise ClusterError(f"cluster.address: {host!r:.80} has no address ({error.strerror}).") from error
    return host
