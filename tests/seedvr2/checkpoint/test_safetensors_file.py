from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import save_file

from seedvr2.checkpoint import open_checkpoint
from seedvr2.errors import CheckpointError

DTYPES = (
    torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2,
    torch.int64, torch.uint8, torch.bool,
)  # fmt: skip


def test_a_mixed_file_gives_each_tensor_at_its_stored_precision(tmp_path: Path) -> None:
    tensors = {f"t{index}": (torch.rand(3, 5) * 2 - 1).to(dtype) for index, dtype in enumerate(DTYPES)}
    save_file(tensors, tmp_path / "a.safetensors", metadata={"made": "here"})
    checkpoint = open_checkpoint(tmp_path / "a.safetensors")
    assert checkpoint.metadata == {"made": "here"}
    assert set(checkpoint.shapes) == set(tensors)
    for name, tensor in tensors.items():
        got = checkpoint.tensor(name)
        assert isinstance(got, torch.Tensor)
        assert checkpoint.precisions[name] == str(tensor.dtype).removeprefix("torch.")
        assert checkpoint.shapes[name] == (3, 5)
        assert got.dtype == tensor.dtype and torch.equal(got.double(), tensor.double())


def test_reading_maps_and_does_not_copy(tmp_path: Path, memory_growth: Callable[[Callable[[], object]], int]) -> None:
    size = 64 << 20
    save_file({"w": torch.zeros(size, dtype=torch.uint8).view(torch.float8_e4m3fn)}, tmp_path / "a.safetensors")

    def read() -> object:
        tensor = open_checkpoint(tmp_path / "a.safetensors").tensor("w")
        assert isinstance(tensor, torch.Tensor)
        assert tensor.view(torch.uint8).max() == 0  # every page has been touched
        return tensor

    assert memory_growth(read) < size // 4


@pytest.mark.parametrize("kept", [9, 60, 400, -1])
def test_a_truncated_file_says_so(tmp_path: Path, kept: int) -> None:
    save_file({"w": torch.zeros(100), "v": torch.zeros(7)}, tmp_path / "whole.safetensors")
    path = tmp_path / "cut.safetensors"
    path.write_bytes((tmp_path / "whole.safetensors").read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors is damaged, incomplete or too new.*Fetch it again"):
        open_checkpoint(path)


def test_a_header_that_is_not_json_says_so(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes((20).to_bytes(8, "little") + b"{" + bytes(40))
    with pytest.raises(CheckpointError, match="is damaged, incomplete"):
        open_checkpoint(path)


@pytest.mark.parametrize("note", ["blocks.0.mlp.comfy_quant", "scaled_fp8"])
def test_formats_of_comfyui_are_named_as_such(tmp_path: Path, note: str) -> None:
    save_file({"blocks.0.mlp.weight": torch.zeros(2), note: torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"quantised in a format of ComfyUI's own.*Choose the fp16"):
        open_checkpoint(tmp_path / "a.safetensors")


def test_whatever_is_changed_it_opens_or_is_refused(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(10), "v": torch.zeros(2, 3)}, tmp_path / "a.safetensors", {"format": "pt"})
    whole = (tmp_path / "a.safetensors").read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    random = Random(0)
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(random.randint(1, 3)):
            content[random.randrange(end)] = random.choice(b'0197{}[]":,F')
        (tmp_path / "b.safetensors").write_bytes(content)
        try:
            checkpoint = open_checkpoint(tmp_path / "b.safetensors")
            for name in checkpoint.shapes:
                checkpoint.tensor(name)
        except CheckpointError as error:
            assert "b.safetensors" in str(error)


@pytest.mark.parametrize(
    "header",
    ["[" * 100_000, '{"a":' * 100_000, '{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'],
)
def test_headers_that_are_deep_or_claim_too_much_are_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "deep.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(64))
    with pytest.raises(CheckpointError):
        open_checkpoint(path)
