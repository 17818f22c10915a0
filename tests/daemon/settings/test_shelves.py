"""The folders of models that a machine has by its configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.settings.shelves import shelves
from tests.daemon.conftest import make_config


def test_after_the_configured_folders_comes_the_cache_of_the_hub_unless_that_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    folder = tmp_path / "models"
    assert shelves(make_config(tmp_path)) == (folder,)
    cache.mkdir()
    assert shelves(make_config(tmp_path)) == (folder, cache)
    assert shelves(make_config(tmp_path, SEEDVR2_MODEL_HUB_CACHE="false")) == (folder,)
