"""Where the REST API is, and which folders of this machine an assistant may touch: all from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_URL = "http://localhost:8200"
DEFAULT_TIMEOUT_S = 30.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class SettingsError(Exception):
    """The environment says something that cannot be. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`folders` are resolved; `timeout_s` is how long the API may be silent; `http_token` guards `--http`."""

    api_url: str
    api_token: str
    folders: tuple[Path, ...]
    timeout_s: float
    http_token: str

    @property
    def is_local(self) -> bool:
        """Whether the API runs on this machine."""
        return urlsplit(self.api_url).hostname in LOOPBACK

    @property
    def shown_url(self) -> str:
        """The address as an assistant may see it: without a user and password."""
        parts = urlsplit(self.api_url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """The settings of a process with this environment.

        Raises:
            SettingsError: a variable has a value that it cannot take.
        """
        return cls(
            api_url=_url(environment.get("SEEDVR2_API_URL") or DEFAULT_URL),
            api_token=environment.get("SEEDVR2_SERVER_TOKEN", "").strip(),
            folders=_folders(environment.get("SEEDVR2_MCP_FOLDERS", "")),
            timeout_s=_seconds(environment.get("SEEDVR2_MCP_TIMEOUT") or str(DEFAULT_TIMEOUT_S)),
            http_token=environment.get("SEEDVR2_MCP_TOKEN", "").strip(),
        )


def _url(text: str) -> str:
    url = text.strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        # With a user or password in it, it is not repeated.
        given = "" if "@" in text else f", not {text!r}"
        raise SettingsError(f"SEEDVR2_API_URL takes an address such as {DEFAULT_URL}{given}.")
    return url


def _folders(text: str) -> tuple[Path, ...]:
    """The folders of a list as in PATH; the home folder if there is none."""
    named = [Path(part).expanduser() for part in text.split(os.pathsep) if part.strip()]
    for folder in named:
        if not folder.is_absolute():
            raise SettingsError(f"SEEDVR2_MCP_FOLDERS takes whole paths, such as /home/me/Videos, not {str(folder)!r}.")
    try:
        return tuple(folder.resolve() for folder in named or [Path.home()])
    except RuntimeError:
        # No home: nothing is allowed until somebody says what is.
        return ()


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86400:
        raise SettingsError(f"SEEDVR2_MCP_TIMEOUT takes a number of seconds up to 86400, not {text!r}.")
    return seconds
