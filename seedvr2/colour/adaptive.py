"""Adaptive colour correction: wavelet, and HSV only where the result is more saturated than the source."""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.colour import hsv, wavelet

# The excess of saturation at which both methods weigh the same, and how steeply HSV takes over.
_THRESHOLD = 0.15
_STEEPNESS = 5.0


def correct(content: Tensor, style: Tensor) -> Tensor:
    """Frames (T, 3, H, W) in −1…1; the result is within that."""
    smooth = wavelet.correct(content, style)
    wanted = _saturation(style)
    weight = torch.sigmoid(_STEEPNESS * (_saturation(content) - wanted - _THRESHOLD))
    # Where the wavelet result is not oversaturated any more, there is nothing left to tame.
    weight *= _saturation(smooth) - wanted > _THRESHOLD / 2
    return smooth.lerp_(hsv.correct(content, style), weight[:, None])


def _saturation(images: Tensor) -> Tensor:
    return hsv.saturation_of(((images + 1) * 0.5).clamp_(0, 1))
