"""Sizes of the ggml blocks, and the small pieces that their decoders share.

A decoder takes `blocks`, uint8 (n, bytes of a block), and fills `out`, float32 (n, elements of a block). Products
and sums are taken in the order of ggml's own dequantisation, each rounded to float32, so results are equal bit
for bit. That is also why none of them uses `addcmul` or the like, which may fuse the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from gguf import GGML_QUANT_SIZES
from torch import Tensor

# Elements and bytes of one block, by the type's ggml name.
BLOCKS: dict[str, tuple[int, int]] = {str(kind.name): sizes for kind, sizes in GGML_QUANT_SIZES.items()}

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
    words = _words(packed)
    for index, shift in enumerate(shifts):
        fields[:, :, index] = _fields(words, shift, mask).view(torch.uint8)
    return fields


def nibbles(packed: Tensor, groups: int, out: Tensor) -> None:
    """Low halves of each group's bytes, then the high halves: `packed` (n, groups·w) into `out` (n, groups·2·w)."""
    count, width = packed.shape[0], packed.shape[1] // groups
    words = _words(packed.reshape(count, groups, width))
    target = out.view(count, groups, 2, width)
    target[:, :, 0] = _fields(words, 0, 15).view(torch.uint8)
    target[:, :, 1] = _fields(words, 4, 15).view(torch.uint8)


def _words(packed: Tensor) -> Tensor:
    # Four bytes at a time: torch's bit operations on single bytes take four times as long.
    return _aligned(packed).view(torch.int32)


def _aligned(part: Tensor) -> Tensor:
    # Not `contiguous()`: a part of a single block counts as that already, wherever in the file it starts.
    return part.clone(memory_format=torch.contiguous_format)


def _fields(words: Tensor, shift: int, mask: int) -> Tensor:
    """The masked field of every byte; bits that the shift brings in from the next byte fall to the mask."""
    return (words >> shift).bitwise_and_(mask * 0x01010101) if shift else words & mask * 0x01010101


def small_fields(packed: Tensor, width: int) -> Tensor:
    """Fields of `width` bits of each byte, lowest first: `packed` uint8 (n, w) to uint8 (n, w·8/width)."""
    shifts = torch.arange(0, 8, width, dtype=torch.uint8, device=packed.device)
    return ((packed.unsqueeze(-1) >> shifts) & ((1 << width) - 1)).flatten(1)
