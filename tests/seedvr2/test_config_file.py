"""The command line finds the folders of models that the service has."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.settings.config import load_config
from seedvr2.config_file import find_config, models_folders, with_hub_cache
from seedvr2.errors import OptionError

CONFIGS = [
    ('[paths]\nmodels = "weights"', ["weights"]),
    ('[paths]\nmodels = ["weights", "/srv/more"]', ["weights", "/srv/more"]),
    ('[paths]\nmodels = "a, b"', ["a, b"]),
    ("[paths]\nmodels = []", ["models"]),
    ("[server]\nport = 1\n[model]\nhub_cache = false", ["models"]),
]


@pytest.mark.parametrize(("text", "expected"), CONFIGS)
def test_both_read_the_same_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: list[str]
) -> None:
    file = tmp_path / "etc/config.toml"
    file.parent.mkdir()
    file.write_text(text)
    monkeypatch.chdir(tmp_path)
    environment = {"SEEDVR2_CONFIG": str(file), "HF_HUB_CACHE": str(tmp_path / "nowhere")}
    folders = models_folders(environment)
    assert folders == tuple(file.parent / name for name in expected)
    assert load_config(file, {}).paths.models == folders


def test_the_environment_wins_and_a_comma_parts_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"SEEDVR2_PATHS_MODELS": "a,/srv/b", "HF_HUB_CACHE": str(tmp_path / "nowhere")}
    assert models_folders(environment) == (tmp_path / "a", Path("/srv/b"))
    assert load_config(None, environment | {"XDG_CONFIG_HOME": str(tmp_path)}).paths.models == (
        tmp_path / "a",
        Path("/srv/b"),
    )


def test_where_a_configuration_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, user = tmp_path / "here", tmp_path / "user"
    (user / "seedvr2d").mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    environment = {"XDG_CONFIG_HOME": str(user)}
    (user / "seedvr2d/config.toml").write_text("[paths]\nmodels = 'm'")
    assert find_config(environment) == user / "seedvr2d/config.toml"
    assert models_folders(environment | {"SEEDVR2_MODEL_HUB_CACHE": "off"}) == (user / "seedvr2d/m",)
    (here / "config.toml").write_text("")
    assert find_config(environment) == Path("config.toml")
    assert find_config(environment | {"SEEDVR2_CONFIG": "/x.toml"}) == Path("/x.toml")
    with pytest.raises(OptionError, match=r"/x\.toml cannot be read"):
        models_folders({"SEEDVR2_CONFIG": "/x.toml"})


def test_the_cache_of_the_hub_is_added_where_it_is_and_may_be(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    mine = [tmp_path / "models"]
    environment = {"HF_HOME": str(tmp_path)}
    assert with_hub_cache(mine, environment, enabled=True) == (*mine, tmp_path / "hub")
    assert with_hub_cache(mine, environment, enabled=False) == tuple(mine)
    assert with_hub_cache(mine, {"HF_HUB_CACHE": str(tmp_path / "gone")}, enabled=True) == tuple(mine)
