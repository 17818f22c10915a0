"""Which daemon a command is for: `--url`, else `SEEDVR2D_URL`, else what the configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from daemon.errors import ConfigError
from daemon.settings.config import load_config
from rest_client.address import DEFAULT_TIMEOUT_S, Address, checked_url, url_of

VARIABLE = "SEEDVR2D_URL"


def find_address(url: str | None, config_file: Path | None, environment: Mapping[str, str]) -> Address:
    """The address and the token of the daemon.

    The token of the configuration goes to the address of the configuration alone; another one's is
    `SEEDVR2_SERVER_TOKEN`.

    Raises:
        ConfigError: the address is none, or the configuration is wrong or names no port.
    """
    stated, named_by = (url, "--url") if url else (environment.get(VARIABLE, "").strip(), VARIABLE)
    if stated:
        try:
            token = environment.get("SEEDVR2_SERVER_TOKEN", "").strip()
            return Address(checked_url(stated), token, DEFAULT_TIMEOUT_S, named_by=named_by)
        except ValueError as error:
            raise ConfigError(f"{named_by} takes {error}.") from error
    server = load_config(config_file, environment).server
    if server.port == 0:
        raise ConfigError(f"server.port is 0, so that nobody knows the port of the daemon; set {VARIABLE} or --url.")
    return Address(url_of(server.host, server.port), server.token, DEFAULT_TIMEOUT_S, named_by=f"--url or {VARIABLE}")
