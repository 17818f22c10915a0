"""Where the REST API is, and which folders of this machine an assistant may touch: all from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rest_client.address import DEFAULT_TIMEOUT_S, DEFAULT_URL, LOOPBACK, Address, checked_url

__all__ = ["LOOPBACK", "Settings", "SettingsError"]


class SettingsError(Exception):
    """The environment says something that cannot be. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`address` is where the API is; `folders` are resolved; `http_token` guards `--http`."""

    address: Address
    folders: tuple[Path, ...]
    http_token: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """The settings of a process with this environment.

        Raises:
            SettingsError: a variable has a value that it cannot take.
        """
        return cls(
            address=Address(
                _url(environment.get("SEEDVR2_API_URL") or DEFAULT_URL),
                environment.get("SEEDVR2_SERVER_TOKEN", "").strip(),
                _seconds(environment.get("SEEDVR2_MCP_TIMEOUT") or str(DEFAULT_TIMEOUT_S)),
                source="mcp",
                named_by="SEEDVR2_API_URL",
                token_advice="Set SEEDVR2_SERVER_TOKEN for the MCP server.",
            ),
            folders=_folders(environment.get("SEEDVR2_MCP_FOLDERS", "")),
            http_token=environment.get("SEEDVR2_MCP_TOKEN", "").strip(),
        )


def _url(text: str) -> str:
    try:
        return checked_url(text)
    except ValueError as error:
        # With a user or password in it, it is not repeated.
        given = "" if "@" in text else f", not {text!r}"
        raise SettingsError(f"SEEDVR2_API_URL takes {error}{given}.") from None


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
