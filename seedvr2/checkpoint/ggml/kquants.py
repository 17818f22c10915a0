"""The K types: super-blocks of 256 elements whose sub-blocks have small scales of their own."""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.checkpoint.ggml.blocks import Decoder, half, nibbles, shifted, single, words

_PAIRS = (0, 2, 4, 6)
# Of each byte of a word: the lower six bits, the lower four, and the two above those.
_SIX_BITS, _LOW, _HIGH = 0x3F3F3F3F, 0x0F0F0F0F, 0x30303030


def q2_k(blocks: Tensor, out: Tensor) -> None:
    """16 sub-blocks of 16, 4-bit scales and minimums: scale · q - minimum"""
    count = blocks.shape[0]
    scales = half(blocks, 80) * (blocks[:, :16] & 15).float()
    minimums = half(blocks, 82) * (blocks[:, :16] >> 4).float()
    out.view(count, 2, 4, 32).copy_(shifted(blocks[:, 16:80].reshape(count, 2, 32), _PAIRS, 3))
    out.view(count, 16, 16).mul_(scales.unsqueeze(-1)).sub_(minimums.unsqueeze(-1))


def q3_k(blocks: Tensor, out: Tensor) -> None:
    """16 sub-blocks of 16, signed 6-bit scales: scale · (q - 4), the third bits apart"""
    count = blocks.shape[0]
    low = torch.cat((blocks[:, 96:104] & 15, blocks[:, 96:104] >> 4), dim=1)
    high = shifted(blocks[:, None, 104:108], _PAIRS, 3).flatten(1)
    scales = half(blocks, 108) * (low | high << 4).float().sub_(32)
    third = shifted(blocks[:, None, :32], tuple(range(8)), 1).view(count, 2, 4, 32)
    fields = shifted(blocks[:, 32:96].reshape(count, 2, 32), _PAIRS, 3)
    out.view(count, 2, 4, 32).copy_(fields | third << 2).sub_(4)
    out.view(count, 16, 16).mul_(scales.unsqueeze(-1))


def q4_k(blocks: Tensor, out: Tensor) -> None:
    """8 sub-blocks of 32, 6-bit scales and minimums: scale · q - minimum"""
    nibbles(blocks[:, 16:], 4, out)
    _scale_and_shift(blocks, out)


def q5_k(blocks: Tensor, out: Tensor) -> None:
    """As Q4_K, with the fifth bits apart"""
    fifth = shifted(blocks[:, None, 16:48], tuple(range(8)), 1).flatten(1)
    low = torch.empty_like(fifth)
    nibbles(blocks[:, 48:], 4, low)
    out.copy_(fifth.mul_(16).bitwise_or_(low))
    _scale_and_shift(blocks, out)


def q6_k(blocks: Tensor, out: Tensor) -> None:
    """16 sub-blocks of 16, signed 8-bit scales: scale · (q - 32), the upper two bits apart"""
    count = blocks.shape[0]
    scales = half(blocks, 208) * blocks[:, 192:208].view(torch.int8).float()
    fields = shifted(blocks[:, 128:192].reshape(count, 2, 32), _PAIRS, 3).flatten(1)
    low = torch.empty_like(fields)
    nibbles(blocks[:, :128], 2, low)
    out.copy_(fields.mul_(16).bitwise_or_(low)).sub_(32)
    out.view(count, 16, 16).mul_(scales.unsqueeze(-1))


def q8_k(blocks: Tensor, out: Tensor) -> None:
    """One float32 scale; the sums at the end are for dot products only"""
    out.copy_(blocks[:, 4:260].view(torch.int8)).mul_(single(blocks, 0))


def _scale_and_shift(blocks: Tensor, out: Tensor) -> None:
    # In words: operations on rows of two or four bytes take longer than those on the quants.
    both = words(blocks[:, :4]).view(torch.float16).float()
    small_scales, small_minimums = unpack_scales(words(blocks[:, 4:16]))
    scales, minimums = both[:, :1] * small_scales.float(), both[:, 1:] * small_minimums.float()
    out.view(-1, 8, 32).mul_(scales.unsqueeze(-1)).sub_(minimums.unsqueeze(-1))


def unpack_scales(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Eight 6-bit scales and eight 6-bit minimums from 12 bytes, as words int32 (n, 3), to two of uint8 (n, 8).

    Bytes 0–3 and 4–7 hold the first four of each; their two upper bits belong to the last four, whose lower
    bits share bytes 8–11.
    """
    first, second, mixed = packed.unbind(1)
    scales = torch.stack((first & _SIX_BITS, mixed & _LOW | (first >> 2) & _HIGH), dim=1)
    minimums = torch.stack((second & _SIX_BITS, (mixed >> 4) & _LOW | (second >> 2) & _HIGH), dim=1)
    return scales.view(torch.uint8), minimums.view(torch.uint8)


DECODERS: dict[str, Decoder] = {
    "Q2_K": q2_k,
    "Q3_K": q3_k,
    "Q4_K": q4_k,
    "Q5_K": q5_k,
    "Q6_K": q6_k,
    "Q8_K": q8_k,
}
