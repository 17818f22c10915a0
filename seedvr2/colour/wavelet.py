"""Wavelet colour correction: fine detail from the result, everything coarser from the source (engine.md, 4.7).

Detail and coarse add up to the picture, so taking the coarse part from the source is the same as adding the blurred
difference: content + B(style − content), one series of blurs instead of two.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_LEVELS = 5


def correct(content: Tensor, style: Tensor) -> Tensor:
    """Frames (T, 3, H, W) in −1…1; the result is clamped to that."""
    result = torch.empty_like(content)
    # Frame by frame: the temporaries are then those of one frame.
    for index in range(len(content)):
        result[index] = content[index] + coarse(style[index : index + 1] - content[index : index + 1])[0]
    return result.clamp_(-1, 1)


def coarse(images: Tensor) -> Tensor:
    """Images (N, C, H, W) after five binomial blurs whose taps lie 1, 2, 4, 8, 16 pixels apart."""
    limit = max(min(images.shape[2:]) // 8, 1)
    for level in range(_LEVELS):
        spacing = min(2**level, limit)
        # The 3x3 binomial kernel is the product of two of 3 taps.
        images = _blur(_blur(images, spacing, dim=2), spacing, dim=3)
    return images


def _blur(images: Tensor, spacing: int, dim: int) -> Tensor:
    size = images.shape[dim]
    sides = (0, 0, spacing, spacing) if dim == 2 else (spacing, spacing, 0, 0)
    padded = F.pad(images, sides, mode="replicate")
    ends = padded.narrow(dim, 0, size) + padded.narrow(dim, 2 * spacing, size)
    return ends.mul_(0.25).add_(images, alpha=0.5)
