"""AdaIN colour correction: each channel of each frame takes the source's mean and spread (engine.md, 4.7)."""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.colour.frames import Frames

# Added to the variance, so that a flat frame is shifted and not divided by zero.
_EPSILON = 1e-5


def correct(content: Tensor, style: Frames) -> Tensor:
    """Frames (T, 3, H, W) in −1…1; the result may lie outside."""
    result = torch.empty_like(content)
    for index, part in enumerate(content):
        # Without gaps between its rows, the sums are taken in the same order wherever the frame is cut from.
        own = part.clone()
        own_mean, own_spread = _statistics(own)
        mean, spread = _statistics(style[index])
        gain = spread / own_spread
        result[index] = own.mul_(gain).add_(mean - own_mean * gain)
    return result


def _statistics(frame: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (3, 1, 1) of every channel of a frame."""
    pixels = frame.shape[1] * frame.shape[2]
    # The unbiased variance of a single pixel would be 0/0.
    variance = frame.var(dim=(1, 2), correction=min(1, pixels - 1), keepdim=True)
    return frame.mean(dim=(1, 2), keepdim=True), (variance + _EPSILON).sqrt()
