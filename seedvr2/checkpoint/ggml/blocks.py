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
    return blocks[:, at : at + 2].contiguous().view(torch.float16).float()


def single(blocks: Tensor, at: int) -> Tensor:
    """The float32 at byte `at` of each block, (n, 1)."""
    return blocks[:, at : at + 4].contiguous().view(torch.float32)


def shifted(packed: Tensor, shifts: Sequence[int], mask: int) -> Tensor:
    """`packed` uint8 (n, g, w) taken apart into fields: uint8 (n, g, len(shifts), w)."""
    fields = packed.new_empty((*packed.shape[:2], len(shifts), packed.shape[2]))
    for index, shift in enumerate(shifts):
        field = fields[:, :, index]
        torch.bitwise_right_shift(packed, shift, out=field)
        field.bitwise_and_(mask)
    return fields


def nibbles(packed: Tensor, groups: int, out: Tensor) -> None:
    """Low halves of each group's bytes, then the high halves: `packed` (n, groups·w) into `out` (n, groups·2·w)."""
    count, width = packed.shape[0], packed.shape[1] // groups
    source = packed.unflatten(1, (groups, width))
    target = out.view(count, groups, 2, width)
    target[:, :, 0] = source & 15
    target[:, :, 1] = source >> 4


def bits(packed: Tensor) -> Tensor:
    """The bits of each byte, lowest first: `packed` uint8 (n, w) to uint8 (n, 8·w)."""
    places = torch.arange(8, dtype=torch.uint8, device=packed.device)
    return ((packed.unsqueeze(-1) >> places) & 1).flatten(1)
