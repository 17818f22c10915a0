"""8-bit floats into wider ones by their bits, which every card can, also those without instructions for them.

torch's own cast reads them one at a time; a program here reads 16 at once.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_TILE = 4096


def widen(stored: Tensor, dtype: torch.dtype) -> Tensor:
    """As `seedvr2.kernels.widen`, of a contiguous tensor, as a new one."""
    out, count = torch.empty_like(stored, dtype=dtype), stored.numel()
    four_bits = stored.dtype == torch.float8_e4m3fn
    _widen[(triton.cdiv(count, _TILE),)](
        *(stored.view(torch.uint8), out, count),
        FOUR_BITS=four_bits,
        TILE=_TILE,
        num_warps=4,
        enable_fp_fusion=True,
    )
    return out


@triton.jit
def _widen(stored: tl.tensor, out: tl.tensor, count: tl.tensor, FOUR_BITS: tl.constexpr, TILE: tl.constexpr) -> None:
    at = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    bits = tl.load(stored + at, mask=at < count, other=0).to(tl.uint16)
    if FOUR_BITS:  # of exponent, one less than float16 has: its bias is smaller by 8
        half = ((bits & 0x80) << 8) | ((bits & 0x7F) << 7)
        value = half.to(tl.float16, bitcast=True).to(tl.float32) * 256.0
        value = tl.where((bits & 0x7F) == 0x7F, float("nan"), value)
    else:  # a float16 without its lower byte
        value = (bits << 8).to(tl.float16, bitcast=True).to(tl.float32)
    tl.store(out + at, value.to(out.dtype.element_ty), mask=at < count)
