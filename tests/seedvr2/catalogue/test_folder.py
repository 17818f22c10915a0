from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from seedvr2.catalogue import find
from seedvr2.catalogue.folder import (
    default_models_dir,
    find_installed,
    find_text_embedding,
    find_vae,
    how_to_get,
    installed_models,
)
from seedvr2.catalogue.hashes import remember_sha256
from seedvr2.errors import CheckpointError, ModelNotInstalledError

GOLDEN = Path(__file__).parents[2] / "fixtures/golden"
CATALOGUE_NAME = "seedvr2_ema_3b-Q8_0.gguf"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalogue model, a model of the user's own, a VAE under another name, and things that are neither."""
    shutil.copy(GOLDEN / "quant/model-Q8_0.gguf", tmp_path / CATALOGUE_NAME)
    shutil.copy(GOLDEN / "quant/model_fp8_e4m3fn.safetensors", tmp_path / "a-mine.safetensors")
    shutil.copy(GOLDEN / "vae/weights.safetensors", tmp_path / "vae-of-mine.safetensors")
    shutil.copy(GOLDEN / "quant/model_bf16.safetensors", tmp_path / ".hidden.safetensors")
    torch.save({"w": torch.ones(3)}, tmp_path / "other.pt")
    (tmp_path / "damaged.gguf").write_bytes(b"GGUF")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "folder.safetensors").mkdir()
    return tmp_path


def test_transformers_are_found_by_their_tensors(folder: Path) -> None:
    catalogue, own = installed_models(folder)
    assert (catalogue.name, catalogue.params, catalogue.precision) == (CATALOGUE_NAME, "3B", "Q8")
    assert catalogue.entry == find(CATALOGUE_NAME) and catalogue.sha256_ok is None
    assert (own.name, own.precision, own.entry, own.sha256_ok) == ("a-mine.safetensors", "FP8", None, None)
    assert own.params.endswith("M") and own.bytes == own.path.stat().st_size


def test_a_hash_that_was_computed_is_compared(folder: Path) -> None:
    published = find(CATALOGUE_NAME).sha256
    assert published
    remember_sha256(folder / CATALOGUE_NAME, published)
    assert installed_models(folder)[0].sha256_ok is True
    remember_sha256(folder / CATALOGUE_NAME, "0" * 64)
    assert installed_models(folder)[0].sha256_ok is False


def test_a_folder_that_does_not_exist_has_no_models(tmp_path: Path) -> None:
    assert installed_models(tmp_path / "nowhere") == []
    with pytest.raises(ModelNotInstalledError):
        find_vae(tmp_path / "nowhere")
    assert find_text_embedding(tmp_path / "nowhere") is None


def test_one_model_by_name(folder: Path) -> None:
    assert find_installed(folder, "a-mine.safetensors").path == folder / "a-mine.safetensors"
    with pytest.raises(CheckpointError, match=r"vae-of-mine\.safetensors is not a SeedVR2 transformer"):
        find_installed(folder, "vae-of-mine.safetensors")
    with pytest.raises(ModelNotInstalledError, match="no model 'nope'; see `python -m seedvr2 models list`"):
        find_installed(folder, "nope")


def test_a_name_cannot_lead_out_of_the_folder(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    with pytest.raises(ModelNotInstalledError):
        find_installed(inner, "../a-mine.safetensors")


def test_a_missing_catalogue_model_says_how_to_get_it(tmp_path: Path) -> None:
    name = "seedvr2_ema_7b_fp16.safetensors"
    with pytest.raises(ModelNotInstalledError) as caught:
        find_installed(tmp_path, name)
    message = str(caught.value)
    assert f"`python -m seedvr2 models pull {name}`" in message
    assert find(name).url() in message and str(tmp_path) in message
    assert message == how_to_get(name, tmp_path)


def test_the_catalogues_vae_is_preferred_to_another(folder: Path) -> None:
    assert find_vae(folder).name == "vae-of-mine.safetensors"
    shutil.copy(folder / "vae-of-mine.safetensors", folder / "ema_vae_fp16.safetensors")
    assert find_vae(folder).name == "ema_vae_fp16.safetensors"


def test_the_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDVR2_PATHS_MODELS", raising=False)
    assert default_models_dir() == Path("models")
    monkeypatch.setenv("SEEDVR2_PATHS_MODELS", "/srv/models")
    assert default_models_dir() == Path("/srv/models")


def test_a_file_that_changes_is_looked_at_again(folder: Path) -> None:
    path = folder / "a-mine.safetensors"
    assert find_installed(folder, path.name).precision == "FP8"
    shutil.copy(GOLDEN / "quant/model-F16.gguf", path)
    assert find_installed(folder, path.name).precision == "FP16"
