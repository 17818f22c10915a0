"""Norm with modulation, and gate with addition: each one pass over the tokens."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

# Tokens and channels that a program of `gate_add` takes: the widths of the models are multiples of 512.
_TOKENS, _CHANNELS = 8, 512


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


def gate_add(residual: Tensor, x: Tensor, gate: Tensor) -> Tensor:
    """As `seedvr2.kernels.gate_add`; the channels of all tensors are next to each other."""
    tokens, dim = x.shape
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    _gate_add[(triton.cdiv(tokens, _TOKENS), triton.cdiv(dim, _CHANNELS))](
        *(residual, x, gate, out, tokens, dim, residual.stride(0), x.stride(0)),
        TOKENS=_TOKENS,
        CHANNELS=_CHANNELS,
        num_warps=4,
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


@triton.jit
def _gate_add(
    residual: tl.tensor,
    x: tl.tensor,
    gate: tl.tensor,
    out: tl.tensor,
    tokens: tl.tensor,
    dim: tl.tensor,
    residual_stride: tl.tensor,
    stride: tl.tensor,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    token = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    real = (token < tokens)[:, None] & (channel < dim)[None, :]
    factor = tl.load(gate + channel, mask=channel < dim, other=0.0).to(tl.float32)[None, :]
    added = tl.load(x + token[:, None] * stride + channel[None, :], mask=real, other=0.0).to(tl.float32)
    kept = tl.load(residual + token[:, None] * residual_stride + channel[None, :], mask=real, other=0.0)
    value = kept.to(tl.float32) + added * factor
    tl.store(out + token[:, None] * dim + channel[None, :], value.to(out.dtype.element_ty), mask=real)
