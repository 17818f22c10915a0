from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seedvr2.checkpoint import PackedTensor, open_checkpoint

QUANT = Path(__file__).parents[2] / "fixtures/golden/quant"
NAME = "blocks.0.attn.proj_out.vid.weight"


def packed() -> PackedTensor:
    value = open_checkpoint(QUANT / "model-Q4_K.gguf").tensor(NAME)
    assert isinstance(value, PackedTensor)
    return value


def test_it_takes_the_bytes_of_its_blocks_and_knows_its_shape() -> None:
    weight = packed()
    assert (weight.ggml_type, tuple(weight.shape), weight.numel()) == ("Q4_K", (32, 256), 32 * 256)
    assert weight.nbytes == 32 * 144
    assert str(weight) == "PackedTensor(Q4_K, (32, 256), cpu)"


def test_it_expands_to_any_floating_point_type() -> None:
    exact = packed().expand()
    assert exact.dtype == torch.float32 and exact.shape == (32, 256)
    assert torch.equal(packed().expand(torch.bfloat16), exact.bfloat16())
    assert torch.equal(packed().expand(torch.float16, "cpu"), exact.half())


def test_it_moves_packed() -> None:
    moved = packed().to("meta")
    assert moved.device.type == "meta" and moved.nbytes == packed().nbytes
    assert packed().expand(torch.bfloat16, "meta").shape == (32, 256)


def test_data_that_do_not_fill_the_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="does not take 32 blocks"):
        PackedTensor("Q4_K", (33, 256), packed().data)
