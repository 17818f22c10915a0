"""RMS norm of each head, then rotation of its pairs: one pass over queries or keys."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

# Numbers that a program takes, of some heads next to each other.
_TILE = 2048


def norm_rotate(x: Tensor, weight: Tensor, cosine: Tensor, sine: Tensor, eps: float) -> Tensor:
    """As `seedvr2.kernels.norm_rotate`; the last axes of all tensors are contiguous."""
    tokens, heads, dim = x.shape
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    tile = triton.next_power_of_2(dim)
    rows = max(1, _TILE // tile)
    _norm_rotate[(triton.cdiv(tokens * heads, rows),)](
        *(x, weight, cosine, sine, out, tokens * heads, heads, dim, cosine.shape[1], x.stride(0), x.stride(1), eps),
        ROWS=rows,
        TILE=tile,
        num_warps=4,
        enable_fp_fusion=True,
    )
    return out


@triton.jit
def _norm_rotate(
    x: tl.tensor,
    weight: tl.tensor,
    cosine: tl.tensor,
    sine: tl.tensor,
    out: tl.tensor,
    rows: tl.tensor,
    heads: tl.tensor,
    dim: tl.tensor,
    pairs: tl.tensor,
    token_stride: tl.tensor,
    head_stride: tl.tensor,
    eps: tl.tensor,
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    row, channel = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, TILE)
    token = (row // heads).to(tl.int64)
    head = (row % heads).to(tl.int64)
    real = (row < rows)[:, None] & (channel < dim)[None, :]
    at = x + (token * token_stride + head * head_stride)[:, None] + channel[None, :]
    value = tl.load(at, mask=real, other=0.0).to(tl.float32)
    inverse = 1.0 / tl.sqrt_rn(tl.sum(value * value, 1) / dim + eps)
    factor = tl.load(weight + channel, mask=channel < dim, other=0.0).to(tl.float32)
    value = value * inverse[:, None] * factor[None, :]

    even, odd = tl.split(value.reshape(ROWS, TILE // 2, 2))
    pair = tl.arange(0, TILE // 2)
    # Not a rotation by nothing beyond the angles: a pair of which one is infinite would lose the other.
    turns = (row < rows)[:, None] & (pair < pairs)[None, :]
    at_angle = token[:, None] * pairs + pair[None, :]
    c = tl.load(cosine + at_angle, mask=turns, other=1.0)
    s = tl.load(sine + at_angle, mask=turns, other=0.0)
    turned = tl.join(tl.where(turns, even * c - odd * s, even), tl.where(turns, even * s + odd * c, odd))
    at_result = out + row.to(tl.int64)[:, None] * dim + channel[None, :]
    tl.store(at_result, turned.reshape(ROWS, TILE).to(out.dtype.element_ty), mask=real)
