"""What happens between the products of a block, each in as few passes over the tokens as torch can do it in.

A pass over rows that are in the cache costs little, one over memory costs as much as a tenth of a product: so each of
these works on some rows at a time, in float32, and rounds once. A card has kernels for two of them.
While gradients are recorded nothing is written in place.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seedvr2.kernels import norm_rotate, rms_modulate
from seedvr2.network.compiled import Compilable
from seedvr2.network.pieces import rows_at_a_time, slices

NORM_EPS = 1e-5


def modulated_norm(x: Tensor, shift: Tensor | None = None, scale: Tensor | None = None) -> Tensor:
    """x / sqrt(mean(x²) + 1e-5) * scale + shift over the last axis; statistics in float32.

    Args:
        x: (rows, dim). shift, scale: (dim,) in float32; None for the plain norm.

    Returns:
        (rows, dim) in the type of `x`.
    """
    if torch.is_grad_enabled():
        normed = F.rms_norm(x, x.shape[-1:], None, NORM_EPS)
        return normed if shift is None or scale is None else torch.addcmul(shift.to(x.dtype), normed, scale.to(x.dtype))
    if _on_card(x):
        if shift is None or scale is None:
            return F.rms_norm(x, x.shape[-1:], None, NORM_EPS)
        return rms_modulate(x, shift, scale, NORM_EPS)
    out = torch.empty_like(x)
    if shift is None or scale is None:
        _norm_into(out, x)
    else:
        _NORM(out, x, shift, scale)
    return out


def turn_heads(x: Tensor, weight: Tensor, turns: Tensor | None, out: Tensor) -> None:
    """RMS-normalise each head, multiply by `weight`, rotate, and write to `out`.

    Args:
        x: (..., tokens, heads, head_dim); overwritten where it is in float32.
        weight: (head_dim,) in float32.
        turns: (tokens, head_dim / 2), complex64 of length one: the rotation of each interleaved pair; None for none.
        out: as `x`, of any strides; usually a place among the queries or keys of windows.
    """
    if turns is not None and _on_card(x) and not torch.is_grad_enabled():
        tokens = x.flatten(0, -3)
        angles = torch.view_as_real(turns.expand(len(tokens) // len(turns), *turns.shape).flatten(0, 1))
        out.copy_(norm_rotate(tokens, weight, angles[..., 0], angles[..., 1], NORM_EPS).view(x.shape))
        return
    exact = x.float()
    if torch.is_grad_enabled():
        exact = exact * _inverse_rms(exact) * weight
        out.copy_(exact if turns is None else rotate(exact, turns))
        return
    exact.mul_(_inverse_rms(exact)).mul_(weight)
    if turns is not None:
        _pairs(exact).mul_(turns[:, None])
    out.copy_(exact)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate interleaved pairs (2i, 2i+1) of the last axis of x (..., tokens, heads, head_dim); `turns` as above."""
    return torch.view_as_real(_pairs(x.float()) * turns[:, None]).flatten(-2).to(x.dtype)


def add_gated(residual: Tensor, x: Tensor, gate: Tensor) -> Tensor:
    """residual + x * gate, in place of the residual.

    Args:
        residual, x: (rows, dim). gate: (dim,) in their type.
    """
    if torch.is_grad_enabled():
        return torch.addcmul(residual, x, gate)
    return residual.addcmul_(x, gate)


def swiglu(gate: Tensor, x: Tensor) -> Tensor:
    """silu(gate) * x, in place of the gate; both (rows, hidden)."""
    if torch.is_grad_enabled():
        return F.silu(gate) * x
    _SWIGLU(gate, x)
    return gate


def _on_card(x: Tensor) -> bool:
    return x.is_cuda


def _pairs(x: Tensor) -> Tensor:
    return torch.view_as_complex(x.view(*x.shape[:-1], -1, 2))


def _inverse_rms(x: Tensor) -> Tensor:
    """1 / sqrt(mean(x²) + 1e-5) over the last axis of float32 numbers, which stays with a size of one."""
    norms: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return norms.square().div(x.shape[-1]).add(NORM_EPS).rsqrt()


def _norm_into(out: Tensor, x: Tensor, shift: Tensor | None = None, scale: Tensor | None = None) -> None:
    for part in slices(len(x), rows_at_a_time(2 * x.shape[-1] * torch.float32.itemsize, x.device)):
        exact = x[part].to(torch.float32, copy=True)
        exact.mul_(_inverse_rms(exact))
        if shift is not None and scale is not None:
            torch.addcmul(shift, exact, scale, out=exact)
        out[part] = exact


def _swiglu_into(gate: Tensor, x: Tensor) -> None:
    F.silu(gate, inplace=True).mul_(x)


# The same as formulas: one pass each once they are compiled, a pass for every sign until then.


def _norm_formula(out: Tensor, x: Tensor, shift: Tensor, scale: Tensor) -> None:
    exact = x.float()
    out.copy_(exact * (exact.square().mean(-1, keepdim=True) + NORM_EPS).rsqrt() * scale + shift)


def _swiglu_formula(gate: Tensor, x: Tensor) -> None:
    gate.copy_(F.silu(gate.float()) * x)


# Not the rotation: places among windows are laid out in more ways than can be compiled. And torch takes a processor's
# exponentials in half precision faster than the code that is made for it.
_NORM = Compilable("the transformer's norm", _norm_formula, _norm_into)
_SWIGLU = Compilable("SwiGLU", _swiglu_formula, _swiglu_into, on_processor=False)
