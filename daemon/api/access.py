"""Who may ask: the Host, Origin and Authorization headers. Pure, so that it is checked before a body is read."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Mapping

from daemon.api.session import may_read
from daemon.errors import RequestError
from daemon.settings.keys import ServerSettings

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# A load balancer or systemd that asks for health has no token, nor has a browser that only opens the page or the
# API's description, which then ask for it; no such answer holds a secret.
OPEN_PATHS = ("/health", "/", "/favicon.ico", "/docs", "/apidocs", "/openapi.json", "/apispec_1.json")
# HTTP/1.0 has no Host header, and simple load balancers still speak it. A browser, which is what DNS rebinding needs,
# always sends one.
HOSTLESS_PATHS = ("/health",)
OPEN_FOLDERS = ("/static/", "/docs/", "/apidocs/")


def check_access(
    server: ServerSettings, method: str, path: str, headers: Mapping[str, str], version: str = "1.1"
) -> None:
    """Let a request pass or raise RequestError. `headers` has lower-case names, `version` is that of HTTP.

    Refused are: a Host that is not ours (DNS rebinding), a change asked for by a foreign web page, and a missing or
    wrong token.
    """
    host = headers.get("host", "")
    hostless = "host" not in headers and version == "1.0" and path in HOSTLESS_PATHS
    if not hostless and not host_expected(server, host):
        raise RequestError(
            403, f"The host {host[:100]!r} is not served here. Add it to server.allowed_hosts if it should be."
        )
    origin = headers.get("origin", "")
    if origin and method not in SAFE_METHODS and not origin_allowed(server, origin, host):
        raise RequestError(
            403, f"Pages of {origin[:100]!r} may not do this. Add it to server.cors_origins if they may."
        )
    if not server.token or method == "OPTIONS" or path in OPEN_PATHS or path.startswith(OPEN_FOLDERS):
        return
    if not may_read(server.token, method, path, headers.get("cookie", "")):
        _check_token(server.token, headers.get("authorization", ""))


def host_expected(server: ServerSettings, host: str) -> bool:
    """Whether a Host header means this service. An address cannot be rebound, so any address does."""
    name = _host_name(host)
    if name in _own_names(server):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def origin_allowed(server: ServerSettings, origin: str, host: str) -> bool:
    """Whether a page of `origin` may call: our own, or a configured one."""
    return origin.partition("://")[2].lower() == host.lower() or origin.rstrip("/") in server.cors_origins


def _check_token(token: str, authorization: str) -> None:
    scheme, _, given = authorization.partition(" ")
    # Compared in constant time, and as bytes: a header may hold anything.
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode()):
        raise RequestError(
            401,
            "Send the token of this server as 'Authorization: Bearer TOKEN'.",
            headers={"WWW-Authenticate": "Bearer"},
        )


def _host_name(host: str) -> str:
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _own_names(server: ServerSettings) -> set[str]:
    machine = socket.gethostname().lower()
    names = {"localhost", machine, machine.partition(".")[0], f"{machine.partition('.')[0]}.local", server.host.lower()}
    return names | {name.lower() for name in server.allowed_hosts}
