from __future__ import annotations

import os
import shutil
import struct
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from seedvr2.catalogue import find
from seedvr2.catalogue.folder import (
    find_installed,
    find_text_embedding,
    find_vae,
    how_to_get,
    installed_models,
    unreadable_files,
)
from seedvr2.catalogue.hashes import remember_sha256
from seedvr2.errors import CheckpointError, MachineError, ModelNotInstalledError

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
    with pytest.raises(ModelNotInstalledError, match=r"no model 'nope'; see `.*seedvr2 models list "):
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
    assert f"seedvr2 models pull {name} --models-dir {tmp_path}`" in message
    assert find(name).url() in message and str(tmp_path) in message
    assert message == how_to_get(name, tmp_path)


def test_the_catalogues_vae_is_preferred_to_another(folder: Path) -> None:
    assert find_vae(folder).name == "vae-of-mine.safetensors"
    shutil.copy(folder / "vae-of-mine.safetensors", folder / "ema_vae_fp16.safetensors")
    assert find_vae(folder).name == "ema_vae_fp16.safetensors"


def test_a_file_that_changes_is_looked_at_again(folder: Path) -> None:
    path = folder / "a-mine.safetensors"
    assert find_installed(folder, path.name).precision == "FP8"
    shutil.copy(GOLDEN / "quant/model-F16.gguf", path)
    assert find_installed(folder, path.name).precision == "FP16"


def test_files_that_cannot_be_opened_are_named_with_the_reason(folder: Path) -> None:
    """The 51 bytes claim an array of 2^63 elements; opening the pipe to read it would never end."""
    (folder / "bomb.gguf").write_bytes(
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", 9, 0, 1 << 63) + b"\0\0"
    )
    (folder / "gone.safetensors").symlink_to(folder / "nowhere")
    (folder / "circle.pt").symlink_to("circle.pt")
    (folder / "pointer.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    os.mkfifo(folder / "pipe.gguf")
    (folder / "zero.pth").symlink_to("/dev/zero")
    found = {file.name: file.why for file in unreadable_files(folder)}
    expected = {
        "bomb.gguf": "more values in arrays than a weight file needs",
        "circle.pt": "cannot be read",
        "damaged.gguf": "ends in the middle of its header",
        "gone.safetensors": "is a link to a file that is not there",
        "pipe.gguf": "is a pipe or a device",
        "pointer.safetensors": "is a Git LFS pointer",
        "zero.pth": "is a pipe or a device",
    }
    assert found.keys() == expected.keys()
    for name, why in expected.items():
        assert why in found[name]
    assert [model.name for model in installed_models(folder)] == [CATALOGUE_NAME, "a-mine.safetensors"]
    assert find_vae(folder).name == "vae-of-mine.safetensors"
    with pytest.raises(CheckpointError, match="more values in arrays"):
        find_installed(folder, "bomb.gguf")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_files_and_folders_of_another_user_break_nothing(folder: Path) -> None:
    for part in (folder, *list(folder.parents)[:3]):
        part.chmod(0o755)
    (folder / "a-mine.safetensors").chmod(0o600)
    os.seteuid(65534)
    try:
        assert [(file.name, "Permission denied" in file.why) for file in unreadable_files(folder)] == [
            ("a-mine.safetensors", True),
            ("damaged.gguf", False),
        ]
        assert [model.name for model in installed_models(folder)] == [CATALOGUE_NAME]
    finally:
        os.seteuid(0)
    # As soon as it may be read it is a model again.
    assert "a-mine.safetensors" in [model.name for model in installed_models(folder)]
    folder.chmod(0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(MachineError, match="check its permissions"):
            installed_models(folder)
    finally:
        os.seteuid(0)


def test_a_file_that_vanishes_while_it_is_looked_at_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_sha256(folder / CATALOGUE_NAME, "0" * 64)
    real = os.scandir

    def scandir(path: Path) -> object:
        entries = list(real(path))
        for name in (CATALOGUE_NAME, "damaged.gguf"):
            (folder / name).unlink(missing_ok=True)
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", scandir)
    assert [model.name for model in installed_models(folder)] == ["a-mine.safetensors"]
    assert unreadable_files(folder) == []
