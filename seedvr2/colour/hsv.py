"""HSV colour correction: saturation matched by rank among pixels of similar hue; hue and value stay.

It tames one oversaturated colour without touching the others (after Neumann and Neumann, "Color style transfer
techniques using hue, lightness and saturation histogram matching", 2005).
"""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.colour.matching import match_ranks

_SECTORS = 12
# A sector needs more pixels than this on both sides: ranks of a few pixels are noise.
_FEW = 100
_TINY = 1e-10


def correct(content: Tensor, style: Tensor) -> Tensor:
    """Frames (T, 3, H, W) in −1…1; the result is within that."""
    content, style = _unit(content), _unit(style)
    hue, own = hue_of(content), saturation_of(content)
    wanted_hue, wanted = hue_of(style), saturation_of(style)
    matched = own.clone()
    for sector in range(_SECTORS):
        here, there = _within(hue, sector), _within(wanted_hue, sector)
        source, target = own[here], wanted[there]
        if len(source) > _FEW and len(target) > _FEW:
            matched[here] = match_ranks(source, target)
    return from_hsv(hue, matched, content.amax(1)).clamp_(0, 1).mul_(2).sub_(1)


def saturation_of(rgb: Tensor) -> Tensor:
    """Saturation (T, H, W) in 0…1 of images (T, 3, H, W) in 0…1."""
    high = rgb.amax(1)
    return torch.where(high > _TINY, (high - rgb.amin(1)) / high.clamp(min=_TINY), 0.0)


def hue_of(rgb: Tensor) -> Tensor:
    """Hue (T, H, W) in turns, 0…1, of images (T, 3, H, W) in 0…1; 0 for gray."""
    red, green, blue = rgb.unbind(1)
    high = rgb.amax(1)
    chroma = high - rgb.amin(1)
    coloured = chroma > _TINY
    chroma = torch.where(coloured, chroma, 1.0)
    # In sixths of a turn, from the channel that is highest; blue wins a tie over green, green over red.
    hue = torch.where(
        high == blue,
        (red - green) / chroma + 4,
        torch.where(high == green, (blue - red) / chroma + 2, ((green - blue) / chroma) % 6),
    )
    return torch.where(coloured, hue, 0.0) / 6


def from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Images (T, 3, H, W) in 0…1 from hue, saturation and value, each (T, H, W) in 0…1."""
    chroma = value * saturation
    channels = []
    for offset in (5, 3, 1):
        # How far this channel's share of the chroma has fallen at this hue (the closed form of the six cases).
        position = (offset + 6 * hue) % 6
        channels.append(value - chroma * torch.minimum(position, 4 - position).clamp(0, 1))
    return torch.stack(channels, dim=1)


def _within(hue: Tensor, sector: int) -> Tensor:
    mask = (hue >= sector / _SECTORS) & (hue < (sector + 1) / _SECTORS)
    # Red lies on both sides of 0. Its last sector is matched again on its own, and that result stays.
    return mask | (hue >= 1 - 1 / _SECTORS) if sector == 0 else mask


def _unit(images: Tensor) -> Tensor:
    return ((images + 1) * 0.5).clamp_(0, 1)
