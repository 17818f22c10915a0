"""Adaptive wavelet correction: the wavelet result, moved to the HSV one where it is too saturated (engine.md, 4.7)."""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.colour import hsv, wavelet
from seedvr2.colour.bands import bands
from seedvr2.colour.frames import Frames

# A pixel counts as oversaturated from this excess of the wavelet result over the source.
_THRESHOLD = 0.075
# How far it then moves, by the excess of what the networks made: half way at 0.15, and how fast that grows.
_HALF_WAY = 0.15
_STEEPNESS = 5.0
_ROWS = 1


def correct(content: Tensor, style: Frames) -> Tensor:
    """Frames (T, 3, H, W) in −1…1; so is the result."""
    result = hsv.correct(content, style)
    smooth = torch.empty_like(content[0])
    for tamed, own, other in ((result[index], own, style[index]) for index, own in enumerate(content)):
        wavelet.correct_frame(own, other, out=smooth)
        for rows in bands(own, _ROWS):
            tamed[:, rows] = _between(smooth[:, rows], tamed[:, rows], own[:, rows], other[:, rows])
    return result


def _between(smooth: Tensor, tamed: Tensor, own: Tensor, other: Tensor) -> Tensor:
    wanted = hsv.saturation(other)
    share = torch.sigmoid((hsv.saturation(own) - wanted - _HALF_WAY) * _STEEPNESS)
    share.masked_fill_(hsv.saturation(smooth) - wanted <= _THRESHOLD, 0)
    return torch.lerp(smooth, tamed, share)
