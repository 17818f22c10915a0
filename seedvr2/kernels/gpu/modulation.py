"""Norm with modulation: one pass over the tokens."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


def rms_modulate(x: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
    """As `seedvr2.kernels.rms_modulate`; the channels of all tensors are next to each other."""
    tokens, dim = x.shape
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    tile = triton.next_power_of_2(dim)
    _rms_modulate[(tokens,)](
        *(x, shift, scale, out, dim, x.stride(0), eps),
        TILE=tile,
        num_warps=8 if tile >= 2048 else 4,
        enable_fp_fusion=True,
    )
    return out


@triton.jit
def _rms_modulate(
    x: tl.tensor,
    shift: tl.tensor,
    scale: tl.tensor,
    out: tl.tensor,
    dim: tl.tensor,
    stride: tl.tensor,
    eps: tl.tensor,
    TILE: tl.constexpr,
) -> None:
    token, channel = tl.program_id(0).to(tl.int64), tl.arange(0, TILE)
    real = channel < dim
    value = tl.load(x + token * stride + channel, mask=real, other=0.0).to(tl.float32)
    inverse = 1.0 / tl.sqrt_rn(tl.sum(value * value, 0) / dim + eps)
    value *= inverse
    value *= tl.load(scale + channel, mask=real, other=0.0).to(tl.float32)
    value += tl.load(shift + channel, mask=real, other=0.0).to(tl.float32)
    tl.store(out + token * dim + channel, value.to(out.dtype.element_ty), mask=real)
