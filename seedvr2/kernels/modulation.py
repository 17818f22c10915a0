"""What a transformer block does to its tokens before a layer: norm with modulation.

What it does behind one, gate and addition, torch does in one pass of its own.
"""

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
