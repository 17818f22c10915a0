"""Which daemon is asked, and with which token."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.client.where import find_address
from daemon.errors import ConfigError


def test_the_option_before_the_variable_before_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[server]\nhost = "0.0.0.0"\nport = 8300\ntoken = "secret"\n')
    configured = find_address(None, file, {})
    assert (configured.url, configured.token) == ("http://127.0.0.1:8300", "secret")
    named = find_address(None, file, {"SEEDVR2D_URL": "http://other:1/", "SEEDVR2_SERVER_TOKEN": "theirs"})
    # The secret of this machine's configuration is not sent to another one.
    assert (named.url, named.token) == ("http://other:1", "theirs")
    assert find_address("http://third:2", file, {"SEEDVR2D_URL": "http://other:1"}).url == "http://third:2"
    assert find_address("http://third:2", file, {}).token == ""


def test_a_token_comes_from_the_environment_too_and_brackets_go_around_colons(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[server]\nhost = "::"\n')
    address = find_address(None, file, {"SEEDVR2_SERVER_TOKEN": "t", "PORT": "8400"})
    assert (address.url, address.token) == ("http://[::1]:8400", "t")


def test_a_port_that_nobody_knows_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[server]\nport = 0\n")
    with pytest.raises(ConfigError, match=r"server\.port is 0"):
        find_address(None, file, {})
