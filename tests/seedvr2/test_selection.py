"""Which model runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from seedvr2 import selection
from seedvr2.catalogue import DEFAULT_MODEL
from seedvr2.catalogue.folder import InstalledModel, installed_models
from seedvr2.errors import IncompleteModelError, ModelNotInstalledError, NeverFitsError
from seedvr2.selection import NANO, select_model
from tests.seedvr2.network.networks import random_dit, random_vae

CPU, GPU = torch.device("cpu"), torch.device("cuda")
Q4 = "seedvr2_ema_3b-Q4_K_M.safetensors"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with everything but a transformer."""
    save_file(random_vae().state_dict(), tmp_path / "ema_vae_fp16.safetensors")
    save_file({"pos_emb": torch.zeros(5, 24)}, tmp_path / "pos_emb.safetensors")
    return tmp_path


def _add(models: Path, name: str) -> Path:
    save_file({k: v.clone() for k, v in random_dit().state_dict().items()}, models / name)
    return models / name


def test_without_any_model_nano_runs(tmp_path: Path) -> None:
    assert select_model("auto", tmp_path / "nothing", CPU) == NANO
    assert select_model("nano", tmp_path, CPU) == NANO
    assert NANO.dit.is_file() and NANO.vae.is_file()


def test_the_best_installed_model_runs(models: Path) -> None:
    _add(models, "seedvr2_ema_3b-Q8_0.safetensors")
    best = _add(models, "seedvr2_ema_3b_fp16.safetensors")
    files = select_model("auto", models, CPU)
    assert (files.name, files.dit, files.vae) == (best.name, best, models / "ema_vae_fp16.safetensors")


def test_on_a_gpu_that_can_hold_it_the_3b_fp8_runs(models: Path) -> None:
    _add(models, "seedvr2_ema_7b_fp16.safetensors")
    default = _add(models, DEFAULT_MODEL)
    assert select_model("auto", models, GPU, 10**11).dit == default
    assert select_model("auto", models, CPU, 10**11).name == "seedvr2_ema_7b_fp16.safetensors"


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Sizes in GB that files are to be taken for, by name."""
    gigabytes: dict[str, float] = {}

    def grown(models_dir: Path) -> list[InstalledModel]:
        return [replace(model, bytes=int(gigabytes[model.name] * 1e9)) for model in installed_models(models_dir)]

    monkeypatch.setattr(selection, "installed_models", grown)
    return gigabytes


def test_the_best_that_fits_by_the_cards_size_is_chosen_and_nano_never(models: Path, sizes: dict[str, float]) -> None:
    for name, size in ((DEFAULT_MODEL, 3.4), (Q4, 2.0)):
        _add(models, name)
        sizes[name] = size
    assert select_model("auto", models, GPU, 7 * 10**9).name == DEFAULT_MODEL
    assert select_model("auto", models, GPU, 5 * 10**9).name == Q4
    # Neither as a whole, but the smaller one in parts.
    assert select_model("auto", models, GPU, 3 * 10**9).name == Q4
    with pytest.raises(NeverFitsError, match=f"None of the installed models fits on cuda: the smallest, {Q4}"):
        select_model("auto", models, GPU, 2 * 10**9)
    assert select_model("nano", models, GPU, 2 * 10**9) == NANO
    assert select_model(DEFAULT_MODEL, models, GPU, 2 * 10**9).name == DEFAULT_MODEL


def test_the_error_names_a_published_model_that_would_fit(models: Path, sizes: dict[str, float]) -> None:
    large = _add(models, "seedvr2_ema_7b_fp16.safetensors").name
    sizes[large] = 60
    with pytest.raises(NeverFitsError, match=r"models pull seedvr2_ema_3b-Q3_K_M\.gguf .*` fetches one that fits"):
        select_model("auto", models, GPU, 6 * 10**9)
    # Main memory holds no part of a model better than the whole.
    with pytest.raises(NeverFitsError):
        select_model("auto", models, CPU, 50 * 10**9)


@pytest.mark.parametrize("missing", ["ema_vae_fp16.safetensors", "pos_emb.safetensors"])
@pytest.mark.parametrize("wanted", ["auto", DEFAULT_MODEL, "3b"])
def test_nano_does_not_run_in_place_of_a_model_that_lacks_a_part(models: Path, missing: str, wanted: str) -> None:
    _add(models, DEFAULT_MODEL)
    (models / missing).unlink()
    with pytest.raises(IncompleteModelError, match=rf"{DEFAULT_MODEL} needs a .*models pull (ema_vae_fp16|pos_emb)"):
        select_model(wanted, models, CPU)
    assert select_model("nano", models, CPU) == NANO


def test_a_size_alone_means_the_recommended_file_or_the_best_that_is_here(models: Path) -> None:
    with pytest.raises(ModelNotInstalledError, match="models pull seedvr2_ema_7b"):
        select_model("7b", models, CPU)
    _add(models, "seedvr2_ema_3b_fp16.safetensors")
    assert select_model("3b", models, CPU).name == "seedvr2_ema_3b_fp16.safetensors"
    _add(models, DEFAULT_MODEL)
    assert select_model("3b", models, CPU).name == DEFAULT_MODEL


def test_a_model_that_carries_its_text_needs_no_other(models: Path) -> None:
    (models / "pos_emb.safetensors").unlink()
    tensors = {name: tensor.clone() for name, tensor in random_dit().state_dict().items()}
    save_file(tensors | {"positive_conditioning": torch.zeros(5, 24)}, models / "repackaged.safetensors")
    assert select_model("auto", models, CPU).name == "repackaged.safetensors"


def test_a_missing_model_says_how_to_get_it(models: Path) -> None:
    with pytest.raises(ModelNotInstalledError, match="models pull seedvr2_ema_3b_fp16"):
        select_model("seedvr2_ema_3b_fp16.safetensors", models, CPU)
    with pytest.raises(ModelNotInstalledError, match="no model 'seedvr9'"):
        select_model("seedvr9", models, CPU)


def test_short_names_and_own_files(models: Path) -> None:
    _add(models, DEFAULT_MODEL)
    own = _add(models, "mine.safetensors")
    assert select_model("3b_fp8", models, CPU).name == DEFAULT_MODEL
    assert select_model("mine.safetensors", models, CPU).dit == own


def test_no_file_outside_of_the_folder_is_reached(models: Path) -> None:
    outside = _add(models, "outside.safetensors").rename(models.parent / "outside.safetensors")
    with pytest.raises(ModelNotInstalledError):
        select_model(f"../{outside.name}", models, CPU)
