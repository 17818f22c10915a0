"""Where the configuration and the data are when nobody says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.settings.config import load_config
from seedvr2 import standard_folders
from seedvr2.standard_folders import ROOT, default_folder, find_config


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A home folder, a machine without a configuration, and a current folder that is neither."""
    monkeypatch.setattr(standard_folders, "SYSTEM_CONFIG", tmp_path / "etc" / "seedvr2d")
    monkeypatch.setattr(standard_folders, "SYSTEM_DATA", tmp_path / "var" / "seedvr2d")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return {"HOME": str(tmp_path / "home")}


def _file(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_an_installed_program_uses_the_folders_of_its_user(home: dict[str, str], tmp_path: Path) -> None:
    data = tmp_path / "home/.local/share/seedvr2d"
    assert load_config(None, home).paths.inbox == data / "inbox"
    moved = home | {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": "relative"}
    assert load_config(None, moved).paths.models == (tmp_path / "data/seedvr2d/models",)
    file = _file(tmp_path / "home/.config/seedvr2d/config.toml", '[paths]\noutputs = "results"\n')
    config = load_config(None, moved)
    # What the file names belongs to the file, the rest to the data.
    assert config.file == file
    assert (config.paths.outputs, config.paths.state) == (file.parent / "results", tmp_path / "data/seedvr2d/state")
    assert load_config(None, home | {"SEEDVR2_PATHS_INBOX": "in"}).paths.inbox == tmp_path / "elsewhere/in"


def test_which_configuration_counts(home: dict[str, str], tmp_path: Path) -> None:
    assert find_config(home) is None
    machine = _file(tmp_path / "etc/seedvr2d/config.toml")
    assert find_config(home) == machine
    assert default_folder(machine, home) == tmp_path / "var/seedvr2d"
    user = _file(tmp_path / "home/.config/seedvr2d/config.toml")
    assert find_config(home) == user
    _file(tmp_path / "elsewhere/config.toml")
    assert find_config(home) == Path("config.toml")
    assert default_folder(Path("config.toml"), home) == tmp_path / "elsewhere"
    assert find_config(home | {"SEEDVR2_CONFIG": "mine.toml"}) == Path("mine.toml")


def test_a_checkout_and_a_folder_in_use_stay_where_they_are(
    home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("inbox", "state"):
        (tmp_path / "elsewhere" / name).mkdir()
    assert default_folder(None, home) == tmp_path / "elsewhere"
    monkeypatch.chdir(ROOT)
    assert default_folder(None, home) == ROOT
