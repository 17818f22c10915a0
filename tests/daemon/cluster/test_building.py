"""Which places a machine has, and what is said where there can be none."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from daemon.cluster import building
from daemon.cluster.building import make_executor, visible_gpus
from daemon.cluster.head import token_mode
from daemon.engine.gpu import Card
from daemon.errors import ConfigError
from tests.daemon.conftest import make_config

CARDS = [Card(f"GPU-{number}", "RTX 4090") for number in range(3)]


def visible(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cards: list[Card], exported: dict[str, str], **settings: str
) -> list[str]:
    monkeypatch.setattr(building, "cards", lambda: cards)
    return visible_gpus(make_config(folder, SEEDVR2_CLUSTER_MODE="local", **settings), exported)


@pytest.mark.parametrize(
    ("cards", "exported", "gpus", "device", "found"),
    [
        (CARDS, {}, "all", "auto", ["GPU-0", "GPU-1", "GPU-2"]),
        (CARDS, {}, "2, 0", "auto", ["GPU-2", "GPU-0"]),
        (CARDS, {"CUDA_VISIBLE_DEVICES": "GPU-1,GPU-2"}, "all", "auto", ["GPU-1", "GPU-2"]),
        (CARDS, {"CUDA_VISIBLE_DEVICES": "GPU-1,GPU-2"}, "1", "auto", ["GPU-2"]),
        (CARDS, {"CUDA_VISIBLE_DEVICES": ""}, "all", "auto", ["cpu"]),
        (CARDS, {}, "0,1", "cpu", ["cpu", "cpu"]),
        ([], {}, "all", "auto", ["cpu"]),
    ],
)
def test_the_places_of_a_machine(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cards: list[Card],
    exported: dict[str, str],
    gpus: str,
    device: str,
    found: list[str],
) -> None:
    settings = {"SEEDVR2_CLUSTER_GPUS": gpus, "SEEDVR2_MODEL_DEVICE": device}
    assert visible(tmp_path, monkeypatch, cards, exported, **settings) == found


@pytest.mark.parametrize("cards", [CARDS, []])
def test_a_gpu_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cards: list[Card]) -> None:
    with pytest.raises(ConfigError, match="names GPU 3, and this machine has"):
        visible(tmp_path, monkeypatch, cards, {}, SEEDVR2_CLUSTER_GPUS="3")


def test_without_ray_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def without_ray(name: str, *more: Any) -> Any:
        return None if name == "ray" else found(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", without_ray)
    config = make_config(tmp_path, SEEDVR2_CLUSTER_MODE="local")
    with pytest.raises(ConfigError, match=r'pip install "seedvr2d\[cluster\]"'):
        make_executor(config, [], lambda _report: None)


def test_a_token_of_this_machine_is_shown_to_a_ray_that_was_started_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert token_mode({}) == {}
    assert token_mode({"RAY_AUTH_TOKEN_PATH": "/token"}) == {"RAY_AUTH_MODE": "token"}
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("0")
    assert token_mode({}) == {"RAY_AUTH_MODE": "token"}
    # Whoever has said something about it is believed.
    assert token_mode({"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "0"}) == {}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"MODE": "head"}, "needs cluster.address"),
        ({"MODE": "join", "ADDRESS": "192.168.1.10"}, "needs cluster.address"),
        ({"GPUS": "first"}, "cluster.gpus takes all, none, or numbers"),
        ({"MODE": "local", "GPUS": "none"}, "cluster.gpus names none"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_config(tmp_path, **{f"SEEDVR2_CLUSTER_{name}": value for name, value in settings.items()})
