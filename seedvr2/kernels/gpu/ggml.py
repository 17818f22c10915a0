"""Packed blocks of ggml into numbers. The layouts are told in `seedvr2/checkpoint/ggml`.

A program takes some rows: runs of packed bytes that share a scale, a whole block or a part of one. Each byte makes
two numbers (one in Q8_0). Products and differences are rounded apart, as ggml does it, so the compiler must not
fuse the two (`enable_fp_fusion`).
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

# Bytes that a program unpacks.
_TILE = 4096


def unpack(data: Tensor, kind: str, out: Tensor) -> Tensor:
    """As `seedvr2.kernels.unpack_into`, for a kind that it has."""
    kernel, rows_a_block, width = _KERNELS[kind]
    rows = data.shape[0] * rows_a_block
    tile = _TILE // width
    kernel[(triton.cdiv(rows, tile),)](data, out, rows, ROWS=tile, num_warps=4, enable_fp_fusion=False)
    return out


@triton.jit
def _half(at: tl.tensor, real: tl.tensor) -> tl.tensor:
    """A float16 at any byte, as float32."""
    low = tl.load(at, mask=real, other=0).to(tl.uint16)
    high = tl.load(at + 1, mask=real, other=0).to(tl.uint16)
    return (low | (high << 8)).to(tl.float16, bitcast=True).to(tl.float32)


@triton.jit
def _q4_0(data: tl.tensor, out: tl.tensor, rows: tl.tensor, ROWS: tl.constexpr) -> None:
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    real = row < rows
    block = data + row * 18
    scale = _half(block, real)[:, None]
    column = tl.arange(0, 16)[None, :]
    packed = tl.load(block[:, None] + 2 + column, mask=real[:, None], other=0)
    at = out + row[:, None] * 32 + column
    low = ((packed & 15).to(tl.float32) - 8.0) * scale
    high = ((packed >> 4).to(tl.float32) - 8.0) * scale
    tl.store(at, low.to(out.dtype.element_ty), mask=real[:, None])
    tl.store(at + 16, high.to(out.dtype.element_ty), mask=real[:, None])


@triton.jit
def _q8_0(data: tl.tensor, out: tl.tensor, rows: tl.tensor, ROWS: tl.constexpr) -> None:
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    real = row < rows
    block = data + row * 34
    scale = _half(block, real)[:, None]
    column = tl.arange(0, 32)[None, :]
    packed = tl.load(block[:, None] + 2 + column, mask=real[:, None], other=0)
    value = packed.to(tl.int8, bitcast=True).to(tl.float32) * scale
    tl.store(out + row[:, None] * 32 + column, value.to(out.dtype.element_ty), mask=real[:, None])


@triton.jit
def _small_scales(block: tl.tensor, part: tl.tensor, real: tl.tensor) -> tuple[tl.tensor, tl.tensor]:
    """Scale and minimum of one of the eight sub-blocks of a Q4_K or Q5_K block, 0…63."""
    first = tl.load(block + 4 + part, mask=real, other=0)
    second = tl.load(block + 8 + part, mask=real, other=0)
    # The last four have their lower bits here in `second`, their upper ones in bytes of the first four.
    upper_scale = tl.load(block + part, mask=real & (part >= 4), other=0)
    small_scale = tl.where(part < 4, first & 63, (second & 15) | (upper_scale >> 6 << 4))
    small_minimum = tl.where(part < 4, second & 63, (second >> 4) | (first >> 6 << 4))
    return small_scale.to(tl.float32), small_minimum.to(tl.float32)


@triton.jit
def _q4_k(data: tl.tensor, out: tl.tensor, rows: tl.tensor, ROWS: tl.constexpr) -> None:
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    real = row < rows
    block, quarter = data + row // 4 * 144, row % 4
    column = tl.arange(0, 32)[None, :]
    packed = tl.load((block + 16 + quarter * 32)[:, None] + column, mask=real[:, None], other=0)
    scale, minimum = _half(block, real), _half(block + 2, real)
    small, least = _small_scales(block, quarter * 2, real)
    low = (packed & 15).to(tl.float32) * (scale * small)[:, None] - (minimum * least)[:, None]
    small, least = _small_scales(block, quarter * 2 + 1, real)
    high = (packed >> 4).to(tl.float32) * (scale * small)[:, None] - (minimum * least)[:, None]
    at = out + row[:, None] * 64 + column
    tl.store(at, low.to(out.dtype.element_ty), mask=real[:, None])
    tl.store(at + 32, high.to(out.dtype.element_ty), mask=real[:, None])


@triton.jit
def _q5_k(data: tl.tensor, out: tl.tensor, rows: tl.tensor, ROWS: tl.constexpr) -> None:
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    real = row < rows
    block, quarter = data + row // 4 * 176, row % 4
    column = tl.arange(0, 32)[None, :]
    packed = tl.load((block + 48 + quarter * 32)[:, None] + column, mask=real[:, None], other=0)
    fifths = tl.load((block + 16)[:, None] + column, mask=real[:, None], other=0).to(tl.int32)
    fifths = fifths >> (quarter * 2).to(tl.int32)[:, None]
    scale, minimum = _half(block, real), _half(block + 2, real)
    small, least = _small_scales(block, quarter * 2, real)
    low = ((packed & 15) | ((fifths & 1) << 4)).to(tl.float32) * (scale * small)[:, None] - (minimum * least)[:, None]
    small, least = _small_scales(block, quarter * 2 + 1, real)
    high = ((packed >> 4) | ((fifths & 2) << 3)).to(tl.float32) * (scale * small)[:, None] - (minimum * least)[:, None]
    at = out + row[:, None] * 64 + column
    tl.store(at, low.to(out.dtype.element_ty), mask=real[:, None])
    tl.store(at + 32, high.to(out.dtype.element_ty), mask=real[:, None])


@triton.jit
def _q6_k(data: tl.tensor, out: tl.tensor, rows: tl.tensor, ROWS: tl.constexpr) -> None:
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    real = row < rows
    block, part = data + row // 8 * 210, row % 8
    # A half of the block has four parts of 16 bytes, and each number of it two bits in one of 32 bytes.
    half, within = part // 4, part % 4
    column = tl.arange(0, 16)[None, :]
    packed = tl.load((block + part * 16)[:, None] + column, mask=real[:, None], other=0)
    upper = tl.load((block + 128 + half * 32 + part % 2 * 16)[:, None] + column, mask=real[:, None], other=0)
    upper = upper.to(tl.int32) >> (within // 2 * 2).to(tl.int32)[:, None]
    scale = _half(block + 208, real)
    at_scale = block + 192 + half * 8 + within
    at = out + (row // 8 * 256 + half * 128 + within * 16)[:, None] + column
    small = tl.load(at_scale, mask=real, other=0).to(tl.int8, bitcast=True).to(tl.float32)
    low = (((packed & 15) | ((upper & 3) << 4)).to(tl.float32) - 32.0) * (scale * small)[:, None]
    tl.store(at, low.to(out.dtype.element_ty), mask=real[:, None])
    small = tl.load(at_scale + 4, mask=real, other=0).to(tl.int8, bitcast=True).to(tl.float32)
    high = (((packed >> 4) | (upper & 48)).to(tl.float32) - 32.0) * (scale * small)[:, None]
    tl.store(at + 64, high.to(out.dtype.element_ty), mask=real[:, None])


# Kernel, rows of a block, packed bytes of a row.
_KERNELS = {
    "Q4_0": (_q4_0, 1, 16),
    "Q8_0": (_q8_0, 1, 32),
    "Q4_K": (_q4_k, 4, 32),
    "Q5_K": (_q5_k, 4, 32),
    "Q6_K": (_q6_k, 8, 16),
}
