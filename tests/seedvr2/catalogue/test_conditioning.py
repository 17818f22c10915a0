from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from seedvr2.catalogue.conditioning import load_conditioning
from seedvr2.checkpoint import Checkpoint, open_checkpoint
from seedvr2.errors import CheckpointError, ModelNotInstalledError

EMBEDDING = torch.randn(5, 16).bfloat16()


def transformer(folder: Path, **more: torch.Tensor) -> Checkpoint:
    path = folder / "dit.safetensors"
    save_file({"txt_in.weight": torch.zeros(8, 16), **more}, path)
    return open_checkpoint(path)


def test_the_transformers_own_embedding_comes_first(tmp_path: Path) -> None:
    torch.save(torch.zeros(5, 16), tmp_path / "pos_emb.pt")
    checkpoint = transformer(tmp_path, positive_conditioning=EMBEDDING, negative_conditioning=EMBEDDING * 2)
    got = load_conditioning(checkpoint, tmp_path)
    assert got.dtype == torch.bfloat16 and torch.equal(got, EMBEDDING)


def test_a_batch_axis_is_dropped(tmp_path: Path) -> None:
    checkpoint = transformer(tmp_path, positive_conditioning=EMBEDDING[None])
    assert torch.equal(load_conditioning(checkpoint, tmp_path), EMBEDDING)


def test_else_the_models_folder_has_it_in_either_format(tmp_path: Path) -> None:
    checkpoint = transformer(tmp_path)
    torch.save(EMBEDDING, tmp_path / "pos_emb.pt")
    assert torch.equal(load_conditioning(checkpoint, tmp_path), EMBEDDING)
    save_file({"pos_emb": EMBEDDING + 1}, tmp_path / "pos_emb.safetensors")
    assert torch.equal(load_conditioning(checkpoint, tmp_path), EMBEDDING + 1)


def test_without_one_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelNotInstalledError) as caught:
        load_conditioning(transformer(tmp_path), tmp_path)
    message = str(caught.value)
    assert "dit.safetensors needs a text embedding" in message
    assert "seedvr2 models pull pos_emb.pt --models-dir " in message
    assert "https://huggingface.co/ByteDance-Seed/SeedVR2-3B/resolve/main/pos_emb.pt" in message
    assert str(tmp_path) in message


def test_one_of_other_width_is_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(5, 17), tmp_path / "pos_emb.pt")
    with pytest.raises(CheckpointError, match=r"pos_emb\.pt has 17 channels, dit\.safetensors takes 16"):
        load_conditioning(transformer(tmp_path), tmp_path)


def test_a_file_of_several_tensors_is_not_an_embedding(tmp_path: Path) -> None:
    torch.save({"a": EMBEDDING, "b": EMBEDDING}, tmp_path / "pos_emb.pt")
    with pytest.raises(CheckpointError, match="holds 2 tensors, not one text embedding"):
        load_conditioning(transformer(tmp_path), tmp_path)
