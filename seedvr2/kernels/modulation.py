"""What a transformer block does to its tokens before and after a layer: norm with modulation, gate with addition."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seedvr2.kernels.switch import attempt


def rms_modulate(x: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
    """x / sqrt(mean(x²) + eps) · scale + shift over the last axis, the mean taken in float32.

    Args:
        x: (tokens, dim), floating point.
        shift, scale: (dim,), of any floating point type; float32 is best.

    Returns:
        A new tensor of the shape and type of `x`.
    """

    def launch() -> Tensor:
        from seedvr2.kernels.gpu import modulation

        return modulation.rms_modulate(x, shift.contiguous(), scale.contiguous(), eps)

    done = attempt("rms_modulate", x, launch) if x.stride(-1) == 1 else None
    if done is not None:
        return done
    normed = F.rms_norm(x, x.shape[-1:], None, eps)
    return torch.addcmul(shift.to(x.dtype), normed, scale.to(x.dtype))


def gate_add(residual: Tensor, x: Tensor, gate: Tensor) -> Tensor:
    """residual + x · gate.

    Args:
        residual, x: (tokens, dim), of one floating point type.
        gate: (dim,), of any floating point type; float32 is best.

    Returns:
        A new tensor.
    """

    def launch() -> Tensor:
        from seedvr2.kernels.gpu import modulation

        return modulation.gate_add(residual, x, gate.contiguous())

    done = attempt("gate_add", x, launch) if x.stride(-1) == residual.stride(-1) == 1 else None
    return torch.addcmul(residual, x, gate.to(x.dtype)) if done is None else done
