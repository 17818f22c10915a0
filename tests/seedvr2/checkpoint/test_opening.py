from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from seedvr2.checkpoint import open_checkpoint
from seedvr2.errors import CheckpointError

QUANT = Path(__file__).parents[2] / "fixtures/golden/quant"


def test_the_content_decides_not_the_suffix(tmp_path: Path) -> None:
    shutil.copy(QUANT / "model-Q8_0.gguf", tmp_path / "a.safetensors")
    shutil.copy(QUANT / "model_bf16.safetensors", tmp_path / "b.gguf")
    torch.save({"w": torch.ones(2)}, tmp_path / "c")
    formats = [open_checkpoint(tmp_path / name).format for name in ("a.safetensors", "b.gguf", "c")]
    assert formats == ["gguf", "safetensors", "torch"]


@pytest.mark.parametrize("length", [0x80, 0x0280])
def test_a_header_length_that_looks_like_a_pickle_does_not_mislead(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.safetensors"
    header = b'{"w":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}'
    path.write_bytes(length.to_bytes(8, "little") + header.ljust(length) + b"abc")
    assert open_checkpoint(path).shapes == {"w": (3,)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "is a Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>Not found</html>", "is a web page"),
        (b"what is this" * 9, "is not a weight file that can be read here"),
    ],
)
def test_what_is_no_weight_file_is_called_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        open_checkpoint(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"There is no weight file .*nope\.safetensors"):
        open_checkpoint(tmp_path / "nope.safetensors")
    with pytest.raises(CheckpointError, match="is a folder"):
        open_checkpoint(tmp_path)


def test_prefixes_go_and_what_has_none_stays(tmp_path: Path) -> None:
    tensors = {"model.diffusion_model.a": torch.ones(1), "positive_conditioning": torch.ones(2)}
    save_file(tensors, tmp_path / "a.safetensors")
    assert open_checkpoint(tmp_path / "a.safetensors").shapes == {"a": (1,), "positive_conditioning": (2,)}


def test_prefixes_stay_where_two_names_would_become_one(tmp_path: Path) -> None:
    save_file({"module.a": torch.ones(1), "a": torch.ones(2)}, tmp_path / "a.safetensors")
    assert open_checkpoint(tmp_path / "a.safetensors").shapes == {"module.a": (1,), "a": (2,)}


def test_an_unknown_name_is_an_error_that_names_it() -> None:
    checkpoint = open_checkpoint(QUANT / "model_bf16.safetensors")
    assert "blocks.9.w" not in checkpoint and "vid_in.proj.weight" in checkpoint
    with pytest.raises(CheckpointError, match=r"no tensor 'blocks\.9\.w'"):
        checkpoint.tensor("blocks.9.w")


def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    for path in (tmp_path / "pipe.gguf", Path("/dev/zero")):
        with pytest.raises(CheckpointError, match="is a pipe or a device"):
            open_checkpoint(path)
