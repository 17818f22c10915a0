"""Adaptive wavelet correction: the wavelet result, moved to the HSV one where it is too saturated (engine.md, 4.7)."""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.colour import hsv, wavelet

# A pixel counts as oversaturated from this excess of the wavelet result over the source.
_THRESHOLD = 0.075
# How far it then moves, by the excess of what the networks made: half way at 0.15, and how fast that grows.
_HALF_WAY = 0.15
_STEEPNESS = 5.0


def correct(content: Tensor, style: Tensor) -> Tensor:
    """Frames (T, 3, H, W) in −1…1; so is the result."""
    result = hsv.correct(content, style)
    for index, (own, other) in enumerate(zip(content, style, strict=True)):
        here = slice(index, index + 1)
        smooth = wavelet.correct(content[here], style[here])[0]
        wanted = hsv.saturation(other)
        share = torch.sigmoid((hsv.saturation(own) - wanted - _HALF_WAY) * _STEEPNESS)
        share.masked_fill_(hsv.saturation(smooth) - wanted <= _THRESHOLD, 0)
        result[index] = smooth.lerp_(result[index], share)
    return result
