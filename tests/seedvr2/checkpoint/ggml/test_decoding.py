"""Our decoders against those of the gguf package, bit for bit, on random blocks of every type."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

from seedvr2.checkpoint.ggml import BLOCKS, decoding, dequantize, is_supported

PLAIN = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8"}


def decodable_by_gguf() -> list[str]:
    found = []
    for kind in GGMLQuantizationType:
        _, block_bytes = BLOCKS[kind.name]
        with np.errstate(all="ignore"):
            try:
                quants.dequantize(np.zeros((1, block_bytes), np.uint8), kind)
            except NotImplementedError:
                continue
        found.append(kind.name)
    return sorted(set(found) - PLAIN)


def random_blocks(kind: str, count: int) -> np.ndarray:
    rng = np.random.default_rng(len(kind) + BLOCKS[kind][1])
    return rng.integers(0, 256, (count, BLOCKS[kind][1]), dtype=np.uint8)


@pytest.mark.parametrize("kind", sorted(decoding.DECODERS))
def test_a_single_block_may_start_at_any_byte(kind: str) -> None:
    blocks = torch.from_numpy(random_blocks(kind, 2))
    moved = torch.cat((torch.zeros(1, dtype=torch.uint8), blocks[1]))[1:]
    together = dequantize(blocks, kind).view(2, -1)[1]
    assert torch.equal(dequantize(moved[None], kind).nan_to_num(), together.nan_to_num())


def test_the_sizes_of_blocks_are_those_of_the_gguf_package() -> None:
    assert {kind.name: sizes for kind, sizes in GGML_QUANT_SIZES.items()} == BLOCKS


def test_there_are_types_to_compare() -> None:
    assert len(decodable_by_gguf()) >= 23


@pytest.mark.parametrize("kind", decodable_by_gguf())
def test_equal_to_the_gguf_package_bit_for_bit(kind: str) -> None:
    blocks = random_blocks(kind, 2049)
    with np.errstate(all="ignore"):  # some of the random scales are infinite
        expected = quants.dequantize(blocks.reshape(1, -1), GGMLQuantizationType[kind]).reshape(-1)
    got = dequantize(torch.from_numpy(blocks), kind).numpy()
    finite = np.isfinite(expected)
    assert finite.mean() > 0.85
    assert np.array_equal(got.view(np.uint32)[finite], expected.view(np.uint32)[finite])
    assert np.array_equal(np.isnan(got), np.isnan(expected))


def test_every_packed_type_known_to_gguf_is_supported() -> None:
    assert set(BLOCKS) - PLAIN == {name for name in BLOCKS if is_supported(name)}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("kind", ["Q4_K", "Q5_0"])
def test_other_types_are_the_exact_result_rounded_once(kind: str, dtype: torch.dtype) -> None:
    blocks = torch.from_numpy(random_blocks(kind, 300))
    exact = dequantize(blocks, kind)
    assert torch.equal(dequantize(blocks, kind, dtype).nan_to_num(), exact.to(dtype).nan_to_num())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_pieces_join_without_a_seam(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = torch.from_numpy(random_blocks("Q4_K", 37))
    whole = dequantize(blocks, "Q4_K", dtype).nan_to_num()
    monkeypatch.setattr(decoding, "CPU_PIECE", 5 * 256)
    assert torch.equal(dequantize(blocks, "Q4_K", dtype).nan_to_num(), whole)


def test_no_blocks_give_no_numbers() -> None:
    assert dequantize(torch.empty((0, 144), dtype=torch.uint8), "Q4_K", torch.bfloat16).shape == (0,)


def one_block(raw: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8)[None]


def test_q8_1_uses_its_scale_and_skips_its_sum_in_either_width() -> None:
    values = range(-16, 16)
    narrow = struct.pack("<ee32b", 0.5, 99.0, *values)
    wide = struct.pack("<ff32b", 0.5, 99.0, *values)
    expected = torch.tensor([value / 2 for value in values])
    for raw in (narrow, wide):
        out = torch.empty(1, 32)
        decoding.DECODERS["Q8_1"](one_block(raw), out)
        assert torch.equal(out[0], expected)


def test_q8_k_uses_its_scale_and_skips_its_sums() -> None:
    values = [index % 251 - 125 for index in range(256)]
    raw = struct.pack("<f256b16h", 0.25, *values, *range(16))
    assert torch.equal(dequantize(one_block(raw), "Q8_K"), torch.tensor([value / 4 for value in values]))


def test_q1_0_is_plus_or_minus_the_scale() -> None:
    raw = struct.pack("<e16B", 1.5, 0b00000101, *[0] * 14, 0b10000000)
    got = dequantize(one_block(raw), "Q1_0")
    assert got[:4].tolist() == [1.5, -1.5, 1.5, -1.5]
    assert got[-2:].tolist() == [-1.5, 1.5]
