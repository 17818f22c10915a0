"""Wavelet colour correction: fine detail from the result, everything coarser from the source (engine.md, 4.7).

Detail and coarse add up to the picture, so taking the coarse part from the source is the same as adding the blurred
difference: content + B(style − content), one series of blurs instead of two.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.colour.frames import Frames

_LEVELS = 5


def correct(content: Tensor, style: Frames) -> Tensor:
    """Frames (T, 3, H, W) in −1…1; the result is clamped to that."""
    result = torch.empty_like(content)
    # Frame by frame: the temporaries are then those of one frame.
    for index, own in enumerate(content):
        result[index] = correct_frame(own, style[index])
    return result


def correct_frame(own: Tensor, other: Tensor) -> Tensor:
    """The same for one frame (3, H, W)."""
    return coarse(other - own).add_(own).clamp_(-1, 1)


def coarse(image: Tensor) -> Tensor:
    """(C, H, W) after five 3x3 binomial blurs whose taps lie 1, 2, 4, 8, 16 pixels apart, in the memory of `image`.

    The border repeats the outermost pixels. The taps never lie further apart than an eighth of the shorter edge.
    """
    limit = max(min(image.shape[1:]) // 8, 1)
    spare = torch.empty_like(image)
    for level in range(_LEVELS):
        spacing = min(2**level, limit)
        # The 3x3 kernel is the product of two of three taps.
        _blur(image, spacing, dim=1, out=spare)
        _blur(spare, spacing, dim=2, out=image)
    return image


def _blur(image: Tensor, spacing: int, dim: int, out: Tensor) -> None:
    """¼, ½, ¼ along `dim`, without a padded copy; `spacing` is at most the size of that dimension."""
    inner, size = image.shape[dim] - spacing, image.shape[dim]
    torch.mul(image, 0.5, out=out)
    for first, last, edge in ((0, spacing, 0), (spacing, 0, size - 1)):
        # The taps on one side: inside the image, and where they would lie outside of it.
        out.narrow(dim, last, inner).add_(image.narrow(dim, first, inner), alpha=0.25)
        outside = 0 if edge == 0 else inner
        out.narrow(dim, outside, spacing).add_(image.narrow(dim, edge, 1), alpha=0.25)
