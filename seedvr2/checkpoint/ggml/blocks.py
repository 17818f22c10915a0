"""Sizes of the ggml blocks, and the small pieces that their decoders share.

A decoder takes `blocks`, uint8 (n, bytes of a block), and fills `out`, float32 (n, elements of a block). Products
and sums are taken in the order of ggml's own dequantisation, each rounded to float32, so results are equal bit
for bit. That is also why none of them uses `addcmul` or the like, which may fuse the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Elements and bytes of one block, by the type's ggml name. Our own table, so that the networks, which may hold packed
# weights, run where the gguf package is not installed.
BLOCKS: dict[str, tuple[int, int]] = {
    "F64": (1, 8), "F32": (1, 4), "F16": (1, 2), "BF16": (1, 2),
    "I64": (1, 8), "I32": (1, 4), "I16": (1, 2), "I8": (1, 1),
    "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34), "Q8_1": (32, 40),
    "Q2_K": (256, 84), "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176), "Q6_K": (256, 210),
    "Q8_K": (256, 292), "IQ4_NL": (32, 18), "IQ4_XS": (256, 136), "IQ3_S": (256, 110), "IQ3_XXS": (256, 98),
    "IQ2_S": (256, 82), "IQ2_XS": (256, 74), "IQ2_XXS": (256, 66), "IQ1_S": (256, 50), "IQ1_M": (256, 56),
    "TQ1_0": (256, 54), "TQ2_0": (256, 66), "MXFP4": (32, 17), "NVFP4": (64, 36), "Q1_0": (128, 18),
}  # fmt: skip

Decoder = Callable[[Tensor, Tensor], None]


def half(blocks: Tensor, at: int) -> Tensor:
    """The float16 at byte `at` of each block, as float32 (n, 1)."""
    return _aligned(blocks[:, at : at + 2]).view(torch.float16).float()


def single(blocks: Tensor, at: int) -> Tensor:
    """The float32 at byte `at` of each block, (n, 1)."""
    return _aligned(blocks[:, at : at + 4]).view(torch.float32)


def shifted(packed: Tensor, shifts: Sequence[int], mask: int) -> Tensor:
    """`packed` uint8 (n, g, w) taken apart into fields: uint8 (n, g, len(shifts), w); w is a multiple of 4."""
    fields = packed.new_empty((*packed.shape[:2], len(shifts), packed.shape[2]))
    parts = words(packed)
    for index, shift in enumerate(shifts):
        fields[:, :, index] = _fields(parts, shift, mask).view(torch.uint8)
    return fields


def nibbles(packed: Tensor, groups: int, out: Tensor) -> None:
    """Low halves of each group's bytes, then the high halves: `packed` (n, groups·w) into `out` (n, groups·2·w)."""
    count, width = packed.shape[0], packed.shape[1] // groups
    parts = words(packed.reshape(count, groups, width))
    target = out.view(count, groups, 2, width)
    target[:, :, 0] = _fields(parts, 0, 15).view(torch.uint8)
    target[:, :, 1] = _fields(parts, 4, 15).view(torch.uint8)


def words(packed: Tensor) -> Tensor:
    """`packed` uint8 (…, w) as int32 (…, w / 4), a copy."""
    # Four bytes at a time: torch's bit operations on single bytes take four times as long.
    return _aligned(packed).view(torch.int32)


def _aligned(part: Tensor) -> Tensor:
    # Not `contiguous()`: a part of a single block counts as that already, wherever in the file it starts.
    return part.clone(memory_format=torch.contiguous_format)


def _fields(parts: Tensor, shift: int, mask: int) -> Tensor:
    """The masked field of every byte; bits that the shift brings in from the next byte fall to the mask."""
    return (parts >> shift).bitwise_and_(mask * 0x01010101) if shift else parts & mask * 0x01010101


def small_fields(packed: Tensor, width: int) -> Tensor:
    """Fields of `width` bits of each byte, lowest first: `packed` uint8 (n, w) to uint8 (n, w·8/width)."""
    shifts = torch.arange(0, 8, width, dtype=torch.uint8, device=packed.device)
    return ((packed.unsqueeze(-1) >> shifts) & ((1 << width) - 1)).flatten(1)
