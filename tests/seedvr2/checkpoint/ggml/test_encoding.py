"""The encoders: how close they come, and that the gguf package reads what they write."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, quants

from seedvr2.checkpoint.ggml import BLOCKS, ENCODERS, dequantize, encoding, quantize

# Relative L2 error on Gaussian numbers: what these encoders reach, with 2 % to spare. One that takes the step from
# the extremes alone is at least 8 % above in every K type.
REACHED = {
    "Q2_K": 0.2628, "Q3_K": 0.1435, "Q4_K": 0.0699, "Q5_K": 0.0344, "Q6_K": 0.0167,
    "Q4_0": 0.0860, "Q4_1": 0.0783, "Q5_0": 0.0427, "Q5_1": 0.0379, "Q8_0": 0.0054,
}  # fmt: skip


def gaussian(rows: int = 40) -> torch.Tensor:
    return torch.randn(rows, 2560, generator=torch.Generator().manual_seed(1)) * 0.02


def relative_error(values: torch.Tensor, kind: str) -> float:
    decoded = dequantize(quantize(values, kind), kind).view_as(values)
    return float((decoded - values).norm() / values.norm())


@pytest.mark.parametrize("kind", sorted(ENCODERS))
def test_gaussian_weights_come_back_close(kind: str) -> None:
    assert relative_error(gaussian(), kind) < REACHED[kind] * 1.02


@pytest.mark.parametrize("kind", sorted(ENCODERS))
def test_the_gguf_package_decodes_to_the_same(kind: str) -> None:
    packed = quantize(gaussian(2), kind)
    assert packed.dtype == torch.uint8 and packed.shape == (2 * 2560 // BLOCKS[kind][0], BLOCKS[kind][1])
    theirs = quants.dequantize(packed.numpy().reshape(1, -1), GGMLQuantizationType[kind]).reshape(-1)
    assert np.array_equal(dequantize(packed, kind).numpy(), theirs)


@pytest.mark.parametrize("kind", sorted(ENCODERS))
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1e-9, -30000.0, 1e-40])
def test_constant_blocks_are_kept(kind: str, value: float) -> None:
    values = torch.full((1, 512), value)
    decoded = dequantize(quantize(values, kind), kind)
    assert torch.allclose(decoded, values[0], rtol=2e-3, atol=1e-7)


@pytest.mark.parametrize("kind", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"])
def test_one_outlier_or_one_empty_sub_block_spoils_nothing_else(kind: str) -> None:
    values = gaussian(1).clone()
    values[0, 32:64] = 0
    values[0, 300] = 0.5
    decoded = dequantize(quantize(values, kind), kind).view_as(values)
    assert decoded[0, 32:64].abs().max() < 0.004
    assert decoded[0, 300] == pytest.approx(0.5, rel=0.2)
    assert torch.isfinite(decoded).all()


@pytest.mark.parametrize("kind", ["Q4_K", "Q6_K"])
def test_pieces_make_no_difference(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = gaussian(3)
    whole = quantize(values, kind)
    monkeypatch.setattr(encoding, "_PIECE", 7 * 256)
    assert torch.equal(quantize(values, kind), whole)


def test_rows_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of 100 numbers do not divide into Q4_K blocks of 256"):
        quantize(torch.zeros(4, 100), "Q4_K")
