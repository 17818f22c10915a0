"""Models in several folders, and in those of ComfyUI and the Hugging Face cache, read in place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from seedvr2.catalogue import find
from seedvr2.catalogue.folder import find_file, find_text_embedding, find_vae, installed_models, unreadable_files
from seedvr2.catalogue.hashes import known_sha256, remember_sha256
from seedvr2.catalogue.places import home, look
from seedvr2.errors import MachineError
from tests.seedvr2.network.networks import random_dit, random_vae

REPACKAGED = "seedvr2_3b_fp16.safetensors"
MIXED = "seedvr2_ema_7b_fp8_e4m3fn_mixed_block35_fp16.safetensors"
DISTILLED = "seedvr2_distill_6L_1.4B_sharp_fp16_comfyui.safetensors"


def dit(path: Path, **more: torch.Tensor) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.clone() for name, tensor in random_dit().state_dict().items()} | more, path)
    return path


def vae(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(random_vae().state_dict(), path)
    return path


def embedding(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"pos_emb": torch.zeros(5, 24)}, path)
    return path


def others(path: Path) -> Path:
    """A VAE of pictures, as other models have it: tensors of the same names, in two dimensions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    conv = torch.zeros(8, 3, 3, 3)
    save_file({"encoder.conv_in.weight": conv, "decoder.conv_in.weight": conv.clone()}, path)
    return path


def names(folders: object) -> list[str]:
    return [model.name for model in installed_models(folders)]  # type: ignore[arg-type]


def test_the_first_of_two_files_of_a_name_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    dit(second / REPACKAGED)
    mine = dit(first / "mine.safetensors")
    theirs = dit(second / "mine.safetensors")
    vae(second / "ema_vae_fp16.safetensors")
    assert names([first, second]) == [REPACKAGED, "mine.safetensors"]
    assert find_file([first, second], "mine.safetensors") == mine
    assert find_file([second, first], "mine.safetensors") == theirs
    assert find_vae([first, second]).parent == second
    assert home([first, second]) == first


def test_writing_goes_to_the_first_folder_that_can_be_written(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(0o755)
    free = tmp_path / "free"
    free.mkdir()
    free.chmod(0o777)
    os.seteuid(65534)
    try:
        assert home([locked, free]) == free
        assert home([locked]) == locked
    finally:
        os.seteuid(0)


def test_a_folder_that_is_not_there_or_may_not_be_read_is_told_and_the_others_serve(tmp_path: Path) -> None:
    here, gone, closed = tmp_path / "here", tmp_path / "gone", tmp_path / "closed"
    dit(here / "mine.safetensors").chmod(0o644)
    closed.mkdir(mode=0o700)
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        assert names([here, gone, closed]) == ["mine.safetensors"]
        missing, refused = look([here, gone, closed]).problems
        assert str(gone) in missing and "is not there" in missing
        assert str(closed) in refused and "Permission denied" in refused
        # What may lie in there is unknown, not missing.
        with pytest.raises(MachineError):
            find_file([here, closed], "other.safetensors")
        with pytest.raises(MachineError):
            installed_models([closed])
    finally:
        os.seteuid(0)


def comfyui(root: Path) -> Path:
    (root / "comfy").mkdir(parents=True)
    others(root / "models/vae/ae.safetensors")
    vae(root / "models/vae/seedvr2_ema_vae_fp16.safetensors")
    text = torch.zeros(5, 24)
    dit(root / "models/diffusion_models" / REPACKAGED, positive_conditioning=text)
    dit(root / "models/SEEDVR2" / MIXED)
    dit(root / "models/unet/upscalers" / DISTILLED)
    (root / "models/diffusion_models/flux.gguf").write_bytes(b"of another program")
    (root / "models/diffusion_models/seedvr2_broken.gguf").write_bytes(b"no model")
    return root


@pytest.mark.parametrize("named", ["", "models"])
def test_comfyui_is_read_where_it_keeps_its_models(tmp_path: Path, named: str) -> None:
    root = comfyui(tmp_path / "ComfyUI")
    before = sorted(tmp_path.rglob("*"))
    folders = [tmp_path / "models", root / named]
    assert names(folders) == [MIXED, REPACKAGED, DISTILLED]
    assert find_vae(folders).name == "seedvr2_ema_vae_fp16.safetensors"
    assert [file.name for file in unreadable_files(folders)] == ["seedvr2_broken.gguf"]
    assert find_text_embedding(folders) is None
    assert home(folders) == tmp_path / "models"
    assert sorted(tmp_path.rglob("*")) == before


def test_the_embedding_that_comes_with_the_nodes_is_found(tmp_path: Path) -> None:
    root = comfyui(tmp_path / "ComfyUI")
    text = root / "custom_nodes/ComfyUI-SeedVR2_VideoUpscaler/pos_emb.pt"
    text.parent.mkdir(parents=True)
    torch.save(torch.zeros(5, 24), text)
    assert find_text_embedding([root]) == text


YAML = """
comfyui:
    base_path: {base}
    diffusion_models: |
        elsewhere/one
        elsewhere/two
    vae: elsewhere/vae
    loras: loras
others:
    is_default: true
    base_path: ~/models
    seedvr2: {base}/first
commented:
"""


@pytest.mark.parametrize("how", ["beside", "named"])
def test_extra_model_paths_are_followed(tmp_path: Path, how: str) -> None:
    root = tmp_path / "ComfyUI"
    (root / "comfy").mkdir(parents=True)
    (root / "models").mkdir()
    store = tmp_path / "store"
    dit(store / "elsewhere/one" / REPACKAGED)
    dit(store / "elsewhere/two" / DISTILLED)
    dit(store / "first" / MIXED)
    vae(store / "elsewhere/vae/ema_vae_fp16.safetensors")
    file = root / "extra_model_paths.yaml"
    file.write_text(YAML.format(base=store))
    folders = [tmp_path / "models", root if how == "beside" else file]
    assert names(folders) == [MIXED, REPACKAGED, DISTILLED]
    assert find_vae(folders).parent == store / "elsewhere/vae"
    assert look(folders).problems == []
    file.write_text("comfyui: [")
    (problem,) = look(folders).problems
    assert str(file) in problem and "not valid YAML" in problem


def snapshot(cache: Path, repository: str, revision: str, path: str, make: object) -> Path:
    """A file of the cache as the hub's client lays it out: a link to its content."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    blob = folder / "blobs" / f"{revision[:4]}{abs(hash(path)):x}"
    make(blob.with_suffix(".safetensors")).rename(blob)  # type: ignore[operator]
    link = folder / "snapshots" / revision / path
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs/main").write_text(revision)
    return link


@pytest.mark.parametrize("named", ["hub", "."])
def test_the_cache_of_the_hub_is_read(tmp_path: Path, named: str) -> None:
    cache = tmp_path / "huggingface/hub"
    old = snapshot(cache, "numz/SeedVR2_comfyUI", "a" * 40, MIXED, dit)
    new = snapshot(cache, "numz/SeedVR2_comfyUI", "0" * 40, MIXED, dit)
    inner = snapshot(cache, "Comfy-Org/SeedVR2", "b" * 40, f"diffusion_models/{REPACKAGED}", dit)
    snapshot(cache, "somebody/other-model", "c" * 40, "mine.safetensors", dit)
    folders = [tmp_path / "models", tmp_path / "huggingface" / named]
    assert names(folders) == [MIXED, REPACKAGED]
    assert find_file(folders, MIXED) == new != old
    assert find_file(folders, REPACKAGED) == inner


def test_hashes_are_not_written_into_the_folders_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    theirs = dit(tmp_path / "ComfyUI/models/diffusion_models" / REPACKAGED)
    mine = dit(tmp_path / "models" / REPACKAGED)
    for path in (theirs, mine):
        remember_sha256(path, "ab" * 32)
        assert known_sha256(path) == "ab" * 32
    assert [path.name for path in theirs.parent.iterdir()] == [REPACKAGED]
    assert (mine.parent / ".verified.json").exists()


def test_published_names_are_known() -> None:
    for name, params, precision in ((REPACKAGED, "3B", "FP16"), (MIXED, "7B", "FP8"), (DISTILLED, "1.4B", "FP16")):
        entry = find(name)
        assert (entry.params, entry.precision) == (params, precision)
