"""A TLS handshake of our own with the head: Ray would try for a minute and a half, and not say why."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path

from daemon.cluster.member import joined
from daemon.cluster.secrets import CA, NODE, NODE_KEY
from daemon.errors import ClusterError

CONNECT_S = ANSWER_S = 5.0
# What a client of HTTP/2 says first.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


def reach(address: str, port: int) -> str:
    """The IP address by which this machine reaches the head. Raises ClusterError: it does not answer."""
    where = joined(address, port)
    try:
        with socket.create_connection((address, port), CONNECT_S) as connected:
            return str(connected.getsockname()[0])
    except ConnectionRefusedError as error:
        raise ClusterError(f"Nothing listens at {where}: is the daemon there running, with [cluster] mode = \"head\"?") from error  # fmt: skip # noqa: E501
    except OSError as error:
        raise ClusterError(
            f"{where} does not answer within {CONNECT_S:.0f} s ({error.strerror or error}): is that the address of the "
            f"head, and does its firewall let TCP {port} and the ports after it through?"
        ) from error


def shake_hands(address: str, port: int, folder: Path) -> None:
    """Show our certificate and look at the head's.

    Args:
        folder: of the secrets of this machine.

    Raises:
        ClusterError: one of them is not of this cluster, or there is no TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(folder / CA)
    context.load_cert_chain(folder / NODE, folder / NODE_KEY)
    context.set_alpn_protocols(["h2"])
    where = joined(address, port)
    try:
        with socket.create_connection((address, port), CONNECT_S) as plain:
            plain.settimeout(ANSWER_S)
            with context.wrap_socket(plain, server_hostname=address) as secure:
                secure.sendall(_PREFACE)
                # With TLS 1.3 a server looks at our certificate only after our side of the handshake is done.
                answer = secure.recv(9)
                with contextlib.suppress(OSError):
                    secure.unwrap()
    except ssl.SSLCertVerificationError as error:
        raise ClusterError(_mistrusted(where, error)) from error
    except ssl.SSLError as error:
        raise ClusterError(_refused(where) if "ALERT" in (error.reason or "") else
                           f"{where} does not speak TLS ({error.reason or error}): it is no head of a cluster, or one "
                           "without its secrets.") from error  # fmt: skip
    except TimeoutError as error:
        raise ClusterError(f"{where} does not answer within {ANSWER_S:.0f} s, though it takes connections.") from error
    except OSError as error:
        raise ClusterError(_refused(where)) from error
    if not answer:
        raise ClusterError(_refused(where))


def _mistrusted(where: str, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in (9, 10):
        return f"The certificate of {where} is not valid at this time: are the clocks of both machines right?"
    if error.verify_code in (62, 64):
        return f"{where} shows the certificate of another address: restart the daemon there, which makes it anew."
    return (
        f"{where} shows the certificate of another cluster. If its secrets were made anew since, make this file anew: "
        "seedvr2d cluster add NAME > NAME.join."
    )


def _refused(where: str) -> str:
    return (
        f"{where} does not take the certificate of this file: it is of another cluster, or the clock here is wrong. "
        "Make the file anew: seedvr2d cluster add NAME > NAME.join."
    )
