"""`check-config` shows what is effective and no secret, wherever it was written and whoever may read it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from daemon.__main__ import main
from daemon.settings.config import load_config
from daemon.settings.show_config import describe, exposed, masked
from tests.daemon.conftest import Running

SECRET = "hush-hush"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://example.org", "https://example.org"),
        ("https://example.org/", "https://example.org"),
        ("https://example.org:8443/", "https://example.org:8443"),
        (f"https://me:{SECRET}@example.org", "https://***@example.org"),
        (f"https://{SECRET}@example.org:1/", "https://***@example.org:1"),
        (f"http://a:b@{SECRET}@host/x", "http://***@host/***"),
        (f"https://hooks.example/services/T0/{SECRET}", "https://hooks.example/***"),
        (f"https://example.org?token={SECRET}", "https://example.org/***"),
        (f"https://example.org#{SECRET}", "https://example.org/***"),
        (f"http://[::1]:80/{SECRET}", "http://[::1]:80/***"),
        (f"http://[{SECRET}", "(set, not shown)"),
        (f"http:///{SECRET}", "(set, not shown)"),
    ],
)
def test_of_an_address_only_the_host_is_shown(address: str, shown: str) -> None:
    assert masked(address) == shown


@pytest.mark.parametrize("by", ["file", "environment"])
def test_secrets_are_not_shown_wherever_they_come_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text("")
    address = f"https://me:{SECRET}@example.org/{SECRET}?token={SECRET}"
    if by == "file":
        file.write_text(f'[server]\ntoken = "{SECRET}"\n[webhook]\nsecret = "{SECRET}"\nurl = "{address}"\n')
    else:
        monkeypatch.setenv("SEEDVR2_SERVER_TOKEN", SECRET)
        monkeypatch.setenv("SEEDVR2_WEBHOOK_SECRET", SECRET)
        monkeypatch.setenv("SEEDVR2_WEBHOOK_URL", address)
    assert main(["--config", str(file), "check-config"]) == 0
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    shown = tomllib.loads(printed.out)
    assert shown["webhook"]["url"] == "https://***@example.org/***"
    assert shown["server"]["token"] == shown["webhook"]["secret"] == "(set, not shown)"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[server]\ntoken = "x"', ["server.token"]),
        ('[webhook]\nsecret = "x"\nurl = "http://h/x"', ["webhook.secret", "webhook.url"]),
        ('[webhook]\nurl = "http://h:1/"', []),
        ("[server]\nport = 1", []),
    ],
)
@pytest.mark.parametrize(("mode", "open_to_all"), [(0o644, True), (0o640, False), (0o600, False)])
def test_a_file_with_a_secret_that_everybody_may_read_is_warned_of(
    tmp_path: Path, text: str, named: list[str], mode: int, open_to_all: bool
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    file.chmod(mode)
    config = load_config(file, {})
    warnings = exposed(config)
    assert bool(warnings) == bool(named and open_to_all)
    for warning in warnings:
        assert all(key in warning for key in named)
        assert f"# warning: {warning}" in describe(config)


def test_a_secret_of_the_environment_is_not_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("")
    file.chmod(0o644)
    assert exposed(load_config(file, {"SEEDVR2_SERVER_TOKEN": "x"})) == []
    assert exposed(load_config(None, {"SEEDVR2_SERVER_TOKEN": "x"})) == []


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o022, "0644", "0755"), (0o007, "0660", "0770")])
def test_the_modes_of_results_are_told(tmp_path: Path, mask: int, file: str, folder: str) -> None:
    before = os.umask(mask)
    try:
        shown = describe(load_config(None, {}))
        # It has not been changed by being asked for.
        assert os.umask(mask) == mask
        (tmp_path / "made").touch()
        (tmp_path / "folder").mkdir()
    finally:
        os.umask(before)
    assert f"# umask {mask:04o}: results get mode {file}, new folders {folder}" in shown
    assert f"{(tmp_path / 'made').stat().st_mode & 0o777:04o}" == file
    assert f"{(tmp_path / 'folder').stat().st_mode & 0o777:04o}" == folder


def test_results_really_get_that_mode(running: Running) -> None:
    running.finished(running.submit())
    (result,) = running.results()
    assert f"results get mode {result.stat().st_mode & 0o7777:04o}," in describe(running.config)
