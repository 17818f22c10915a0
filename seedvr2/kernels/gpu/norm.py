"""Group norm of each frame, then SiLU, in two passes over the memory: statistics, then the result.

Statistics are means and sums of squared distances from them, never sums of squares, whose difference loses the
variance where the mean is large. They are joined in an order that depends on the shape alone.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

# Numbers that a program holds at a time, and its warps: 16 numbers a thread.
_TILE, _WARPS = 4096, 8
# Tiles that a program goes through: many, so that few partial results are left; in as many chunks as fill a card.
_LEAST_TILES, _MOST_CHUNKS = 8, 1024
# And when it writes the result: enough to be worth fetching scale and shift.
_APPLIED_TILES = 4
_JOINED_CHUNKS = 64


def norm_silu(
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, out: Tensor, activation: bool
) -> Tensor:
    """As `seedvr2.kernels.norm_silu`, for tensors whose channels are next to each other."""
    frames, channels, height, width = x.shape
    pixels = height * width
    if all(part.stride(2) == width * part.stride(3) for part in (x, out)):
        width = pixels  # rows follow each other: one long row
    tile_c = triton.next_power_of_2(channels)
    tile_p = max(1, _TILE // tile_c)
    tiles = triton.cdiv(pixels, tile_p)
    size = tile_p * max(_LEAST_TILES, triton.cdiv(tiles, _MOST_CHUNKS))
    chunks = triton.cdiv(pixels, size)

    partial = x.new_empty((2, frames, chunks, channels), dtype=torch.float32)
    factors = x.new_empty((2, frames, channels), dtype=torch.float32)
    tile = {"TILE_P": tile_p, "TILE_C": tile_c, "num_warps": _WARPS, "enable_fp_fusion": True}
    _statistics[(chunks, frames)](
        x, partial[0], partial[1], pixels, width, channels, size, x.stride(0), x.stride(2), x.stride(3), **tile
    )
    _join[(groups, frames)](
        *(partial[0], partial[1], weight, bias, factors[0], factors[1]),
        *(pixels, channels, channels // groups, chunks, size, eps),
        TILE_K=_JOINED_CHUNKS,
        TILE_G=triton.next_power_of_2(channels // groups),
        num_warps=4,
        enable_fp_fusion=True,
    )
    _apply[(triton.cdiv(tiles, _APPLIED_TILES), frames)](
        *(x, factors[0], factors[1], out, pixels, width, channels, tile_p * _APPLIED_TILES),
        *(x.stride(0), x.stride(2), x.stride(3), out.stride(0), out.stride(2), out.stride(3)),
        ACTIVATION=activation,
        **tile,
    )
    return out


@triton.jit
def _offsets(pixel: tl.tensor, width: tl.tensor, row_stride: tl.tensor, pixel_stride: tl.tensor) -> tl.tensor:
    """Where the pixels of a frame are, counted along its rows."""
    row = pixel // width
    return row.to(tl.int64) * row_stride + (pixel - row * width).to(tl.int64) * pixel_stride


@triton.jit
def _statistics(
    x: tl.tensor,
    means: tl.tensor,
    spreads: tl.tensor,
    pixels: tl.tensor,
    width: tl.tensor,
    channels: tl.tensor,
    size: tl.tensor,
    frame_stride: tl.tensor,
    row_stride: tl.tensor,
    pixel_stride: tl.tensor,
    TILE_P: tl.constexpr,
    TILE_C: tl.constexpr,
) -> None:
    """Mean and sum of squared distances of each channel over `size` pixels of a frame, (T, chunks, C) each."""
    chunk, frame = tl.program_id(0), tl.program_id(1)
    lane, channel = tl.arange(0, TILE_P), tl.arange(0, TILE_C)
    first = chunk * size
    end = tl.minimum(first + size, pixels)
    start_of_frame = x + frame.to(tl.int64) * frame_stride + channel[None, :]
    mean = tl.zeros((TILE_P, TILE_C), tl.float32)
    spread = tl.zeros((TILE_P, TILE_C), tl.float32)
    count = 0.0
    for start in range(first, end, TILE_P):
        pixel = start + lane
        inside = (pixel < end)[:, None] & (channel < channels)[None, :]
        at = start_of_frame + _offsets(pixel, width, row_stride, pixel_stride)[:, None]
        value = tl.load(at, mask=inside, other=0.0).to(tl.float32)
        count += 1.0
        step = tl.where(inside, value - mean, 0.0)
        mean += step * (1.0 / count)
        spread += step * (value - mean)
    # The last tile may not reach all lanes.
    counts = ((end - first - lane + TILE_P - 1) // TILE_P).to(tl.float32)[:, None]
    whole_mean = tl.sum(mean * counts, 0) / (end - first).to(tl.float32)
    away = mean - whole_mean[None, :]
    whole_spread = tl.sum(spread + counts * away * away, 0)
    at_result = (frame * tl.num_programs(0) + chunk).to(tl.int64) * channels + channel
    tl.store(means + at_result, whole_mean, mask=channel < channels)
    tl.store(spreads + at_result, whole_spread, mask=channel < channels)


@triton.jit
def _join(
    means: tl.tensor,
    spreads: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    scales: tl.tensor,
    shifts: tl.tensor,
    pixels: tl.tensor,
    channels: tl.tensor,
    group_channels: tl.tensor,
    chunks: tl.tensor,
    size: tl.tensor,
    eps: tl.tensor,
    TILE_K: tl.constexpr,
    TILE_G: tl.constexpr,
) -> None:
    """From the statistics of chunks to what each channel of a group is multiplied by and moved by, (T, C) each."""
    group, frame = tl.program_id(0), tl.program_id(1)
    lane, within = tl.arange(0, TILE_K), tl.arange(0, TILE_G)
    channel = group * group_channels + within
    real = within < group_channels
    start = frame.to(tl.int64) * chunks * channels + channel[None, :]
    total = tl.zeros((TILE_K, TILE_G), tl.float32)
    for first in range(0, chunks, TILE_K):
        chunk = first + lane
        inside = (chunk < chunks)[:, None] & real[None, :]
        counts = tl.minimum(pixels - chunk * size, size).to(tl.float32)[:, None]
        mean = tl.load(means + start + chunk.to(tl.int64)[:, None] * channels, mask=inside, other=0.0)
        total += tl.where(inside, mean * counts, 0.0)
    numbers = pixels * 1.0 * group_channels
    group_mean = tl.sum(tl.sum(total, 1), 0) / numbers
    total = tl.zeros((TILE_K, TILE_G), tl.float32)
    for first in range(0, chunks, TILE_K):
        chunk = first + lane
        inside = (chunk < chunks)[:, None] & real[None, :]
        counts = tl.minimum(pixels - chunk * size, size).to(tl.float32)[:, None]
        at = start + chunk.to(tl.int64)[:, None] * channels
        away = tl.load(means + at, mask=inside, other=0.0) - group_mean
        spread = tl.load(spreads + at, mask=inside, other=0.0)
        total += tl.where(inside, spread + counts * away * away, 0.0)
    variance = tl.sum(tl.sum(total, 1), 0) / numbers
    inverse = 1.0 / tl.sqrt_rn(variance + eps)
    scale = tl.load(weight + channel, mask=real, other=0.0).to(tl.float32) * inverse
    shift = tl.load(bias + channel, mask=real, other=0.0).to(tl.float32) - group_mean * scale
    at_result = frame.to(tl.int64) * channels + channel
    tl.store(scales + at_result, scale, mask=real)
    tl.store(shifts + at_result, shift, mask=real)


@triton.jit
def _apply(
    x: tl.tensor,
    scales: tl.tensor,
    shifts: tl.tensor,
    out: tl.tensor,
    pixels: tl.tensor,
    width: tl.tensor,
    channels: tl.tensor,
    size: tl.tensor,
    frame_stride: tl.tensor,
    row_stride: tl.tensor,
    pixel_stride: tl.tensor,
    out_frame_stride: tl.tensor,
    out_row_stride: tl.tensor,
    out_pixel_stride: tl.tensor,
    TILE_P: tl.constexpr,
    TILE_C: tl.constexpr,
    ACTIVATION: tl.constexpr,
) -> None:
    """SiLU(x · scale + shift) of `size` pixels of a frame."""
    chunk, frame = tl.program_id(0), tl.program_id(1).to(tl.int64)
    lane, channel = tl.arange(0, TILE_P), tl.arange(0, TILE_C)
    real = channel < channels
    scale = tl.load(scales + frame * channels + channel, mask=real, other=0.0)[None, :]
    shift = tl.load(shifts + frame * channels + channel, mask=real, other=0.0)[None, :]
    source = x + frame * frame_stride + channel[None, :]
    target = out + frame * out_frame_stride + channel[None, :]
    first = chunk * size
    end = tl.minimum(first + size, pixels)
    for start in range(first, end, TILE_P):
        pixel = start + lane
        inside = (pixel < end)[:, None] & real[None, :]
        at = _offsets(pixel, width, row_stride, pixel_stride)[:, None]
        value = tl.load(source + at, mask=inside, other=0.0).to(tl.float32) * scale + shift
        if ACTIVATION:
            value = value / (1.0 + tl.exp(-value))
        at_result = _offsets(pixel, width, out_row_stride, out_pixel_stride)[:, None]
        tl.store(target + at_result, value.to(out.dtype.element_ty), mask=inside)
