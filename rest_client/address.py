"""Where a REST API is, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_URL = "http://localhost:8200"
DEFAULT_TIMEOUT_S = 30.0
# What listens on all addresses of a machine is reached by its loopback one.
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Address:
    """One API.

    Attributes:
        url: http or https, without a slash at its end. token: sent along; empty: none.
        timeout_s: how long the API may be silent.
        source: on whose behalf it is asked, which tasks keep: `api` or `mcp`.
        named_by: what a person changes where the address is wrong. token_advice: what to do where the token is.
    """

    url: str = DEFAULT_URL
    token: str = ""
    timeout_s: float = DEFAULT_TIMEOUT_S
    source: str = "api"
    named_by: str = "SEEDVR2D_URL"
    token_advice: str = "Set SEEDVR2_SERVER_TOKEN."

    @property
    def is_local(self) -> bool:
        """Whether the API runs on this machine."""
        return urlsplit(self.url).hostname in LOOPBACK

    @property
    def shown_url(self) -> str:
        """The address as anybody may see it: without a user and password."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def url_of(host: str, port: int | str) -> str:
    """Where a service that listens on `host` is reached from its own machine."""
    reached = _ANY.get(host, host)
    return f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"


def checked_url(text: str) -> str:
    """An address without a slash at its end. Raises ValueError: it is none; the message does not repeat it."""
    url = text.strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"an address such as {DEFAULT_URL}")
    return url
