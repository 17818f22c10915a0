"""Group norm of each frame, then SiLU, written where the next convolution reads it."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seedvr2.kernels.switch import attempt
from seedvr2.places import on_processor

# Pixels of a frame are counted in 32 bits, with room for the last program's reach beyond them.
_MOST_PIXELS = 2**30


def norm_silu(
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    out: Tensor | None = None,
    *,
    activation: bool = True,
) -> Tensor:
    """SiLU(group norm of x), with the statistics of each frame on its own, taken in float32.

    Args:
        x: (T, C, H, W), floating point, channels last in memory.
        groups: of channels; C is a multiple of it.
        weight, bias: (C,), in float32 or the type of `x`.
        eps: added to the variances.
        out: (T, C, H, W), where the result goes: `x` itself, or memory apart from it, such as the inner frames, rows
            and columns of a larger buffer. None: a new tensor, channels last.
        activation: False leaves SiLU out.

    Returns:
        `out`. Values that are not finite make all of their group so.
    """
    if out is None:
        out = torch.empty_like(x, memory_format=torch.channels_last)
    given = (x, groups, weight, bias, eps, out, activation)

    def launch() -> Tensor:
        from seedvr2.kernels.gpu import norm

        return norm.norm_silu(*given)

    adjacent = x.stride(1) == out.stride(1) == 1 and x.shape[2] * x.shape[3] <= _MOST_PIXELS
    done = attempt("norm_silu", x, launch) if adjacent else None
    return _plain(*given) if done is None else done


def _plain(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, out: Tensor, activation: bool) -> Tensor:
    # One frame at a time: what lies between the two steps is small then, and often still in the cache.
    for index in range(len(x)):
        frame, target = x[index : index + 1], out[index : index + 1]
        if on_processor(x.device):
            normed = F.group_norm(frame, groups, weight, bias, eps)
        else:
            # A card's own norm would copy the frame into another layout, and write another one.
            scale, shift = (each.to(x.dtype) for each in _affine(frame, groups, weight, bias, eps))
            normed = torch.addcmul(shift, frame, scale, out=target)
        if activation:
            torch.ops.aten.silu.out(normed, out=target)
        elif normed is not target:
            target.copy_(normed)
    return out


def _affine(frame: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Scale and shift (1, C, 1, 1) in float32 that normalise a frame, from sums that are taken in float32."""
    _, channels, height, width = frame.shape
    pixels = height * width * (channels // groups)
    sums = frame.sum((2, 3), dtype=torch.float32).view(groups, -1).sum(1)
    norms = torch.linalg.vector_norm(frame, dim=(2, 3), dtype=torch.float32).view(groups, -1)
    mean = sums / pixels
    variance = (norms.square().sum(1) / pixels - mean.square()).clamp_(min=0)
    scale = weight.float() * torch.rsqrt(variance + eps).repeat_interleave(channels // groups)
    shift = bias.float() - mean.repeat_interleave(channels // groups) * scale
    return scale.view(1, -1, 1, 1), shift.view(1, -1, 1, 1)
