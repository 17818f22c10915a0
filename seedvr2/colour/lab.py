"""LAB colour correction, the default: the wavelet result with its colours matched by rank in CIELAB (engine.md, 4.7).

The two chroma channels are replaced, lightness moves a fifth of the way: detail lives in lightness, and the
network's detail is what one came for.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.colour import histogram, matching, wavelet
from seedvr2.colour.bands import bands
from seedvr2.colour.cielab import from_lab, to_lab
from seedvr2.colour.frames import Frames

# How far lightness, a and b go towards the source's.
_STRENGTHS = (0.2, 1.0, 1.0)
# Bins to a unit of CIELAB: a hundredth of what can be seen. The channels of sRGB lie within ±110.
_FINENESS = 256
_ROWS = 1


def correct(content: Tensor, style: Frames) -> Tensor:
    """Frames (T, 3, H, W) in −1…1, matched all together; so is the result."""
    few = content[:, 0].numel() <= matching.FEW
    return (_correct_few if few else _correct_many)(content, style)


def _correct_few(content: Tensor, style: Frames) -> Tensor:
    """By sorting."""
    own, target = (torch.empty_like(content, memory_format=torch.contiguous_format) for _ in range(2))
    for index, frame in enumerate(content):
        wavelet.correct_frame(frame, style[index], out=own[index])
        own[index], target[index] = to_lab(own[index]), to_lab(style[index])
    for channel, strength in enumerate(_STRENGTHS):
        matched = matching.match_ranks(own[:, channel].flatten(), target[:, channel].flatten(), strength)
        own[:, channel] = matched.view_as(own[:, channel])
    return torch.stack([from_lab(frame) for frame in own])


def _correct_many(content: Tensor, style: Frames) -> Tensor:
    """By counting; all that is kept of the frames is the result."""
    result = torch.empty_like(content, memory_format=torch.contiguous_format)
    counts = content.new_zeros((len(_STRENGTHS), histogram.BINS), dtype=torch.int64)
    target = torch.zeros_like(counts)
    bins = torch.empty_like(result[0], dtype=torch.int32)
    for index, own in enumerate(content):
        wanted, lab = style[index], result[index]
        wavelet.correct_frame(own, wanted, out=lab)
        for rows in bands(lab, _ROWS):
            lab[:, rows] = to_lab(lab[:, rows])
            bins[:, rows] = _bins(lab[:, rows])
        counts += histogram.count(bins, len(counts))
        for rows in bands(lab, _ROWS):
            bins[:, rows] = _bins(to_lab(wanted[:, rows]))
        target += histogram.count(bins, len(target))
    moves = histogram.shifts(counts, target).div_(_FINENESS)
    moves *= content.new_tensor(_STRENGTHS)[:, None]
    for lab in result:
        for rows in bands(lab, _ROWS):
            band = lab[:, rows]
            lab[:, rows] = from_lab(histogram.picked(moves, _bins(band)).add_(band))
    return result


def _bins(lab: Tensor) -> Tensor:
    """(3, H, W) to the bins of its values, those of each channel behind those of the one before."""
    first = torch.arange(len(lab), device=lab.device).view(-1, 1, 1) * histogram.BINS + histogram.BINS // 2
    # Grey lies in the middle of a bin, so that rounding does not decide between two.
    return (lab * _FINENESS).add_(first + 0.5).to(torch.int32).clamp_(0, len(lab) * histogram.BINS - 1)
