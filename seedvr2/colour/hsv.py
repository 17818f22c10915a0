"""HSV colour correction: saturation matched by rank, hue by hue; hue and value stay (engine.md, 4.7)."""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.colour.frames import Frames
from seedvr2.colour.matching import match_in_place

# Twelve bins of 30°. The first also takes in the last one's pixels, so that red is not cut in two.
_BINS = 12
_BINS_OF_RED = (0, _BINS - 1)
# A distribution of fewer pixels says nothing: such bins keep their saturation.
_FEW = 100


def correct(content: Tensor, style: Frames) -> Tensor:
    """Frames (T, 3, H, W) in −1…1, matched all together; so is the result."""
    matched = _match(*_hues_and_saturations(content, content), *_hues_and_saturations(style, content))
    result = torch.empty_like(content)
    for out, frame, wanted in zip(result, content, matched, strict=True):
        torch.mul(_with_saturation(_unit(frame), wanted), 2, out=out).sub_(1)
    return result


def saturation(frame: Tensor) -> Tensor:
    """(3, H, W) in −1…1 (clamped to it) to the saturation (H, W) in 0…1; black has none."""
    return _saturation(*_extremes(_unit(frame)))


def _match(hues: Tensor, saturations: Tensor, target_hues: Tensor, target: Tensor) -> Tensor:
    """Saturations (T, H, W) with the target's distribution within each bin of hue."""
    result = saturations.clone()
    for index in range(_BINS):
        here, there = _in_bin(hues, index), _in_bin(target_hues, index)
        values, wanted = saturations[here], target[there]
        if min(len(values), len(wanted)) > _FEW:
            result[here] = match_in_place(values, wanted)
    return result


def _in_bin(hues: Tensor, index: int) -> Tensor:
    if index == 0:
        return (hues == _BINS_OF_RED[0]) | (hues == _BINS_OF_RED[1])
    return hues == index


def _hues_and_saturations(frames: Frames, like: Tensor) -> tuple[Tensor, Tensor]:
    """Frames (T, 3, H, W) to the bin of every pixel's hue, (T, H, W) uint8, and its saturation (T, H, W)."""
    shape = (frames.shape[0], *frames.shape[2:])
    hues, saturations = like.new_empty(shape, dtype=torch.uint8), like.new_empty(shape)
    for index in range(shape[0]):
        image = _unit(frames[index])
        low, high = _extremes(image)
        hues[index] = _hue_bin(image, high, high - low)
        saturations[index] = _saturation(low, high)
    return hues, saturations


def _hue_bin(image: Tensor, high: Tensor, chroma: Tensor) -> Tensor:
    red, green, blue = image
    divisor = chroma.masked_fill(chroma == 0, 1)
    # In sixths of the circle; grey counts as red.
    hue = torch.where(
        high == red,
        (green - blue).div_(divisor).remainder_(6),
        torch.where(high == green, (blue - red).div_(divisor).add_(2), (red - green).div_(divisor).add_(4)),
    )
    # A hue just below 0° rounds to 360°.
    return hue.mul_(_BINS / 6).floor_().clamp_(max=_BINS - 1).to(torch.uint8)


def _with_saturation(image: Tensor, wanted: Tensor) -> Tensor:
    """(3, H, W) in 0…1 with the saturation `wanted` (H, W); hue and value are kept.

    At one hue and value, a channel's distance from the value is proportional to the saturation.
    """
    low, high = _extremes(image)
    own = _saturation(low, high)
    gain = wanted / own.masked_fill(own == 0, 1)
    result = high - (high - image).mul_(gain)
    # Grey has the hue of red: where it gains saturation, green and blue go down.
    return torch.where(own == 0, _red(high, wanted), result)


def _red(high: Tensor, wanted: Tensor) -> Tensor:
    rest = high * (1 - wanted)
    return torch.stack((high, rest, rest))


def _saturation(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).div_(high.masked_fill(high == 0, 1))


def _extremes(image: Tensor) -> tuple[Tensor, Tensor]:
    return torch.aminmax(image, dim=0)


def _unit(frame: Tensor) -> Tensor:
    """−1…1 to 0…1, clamped."""
    return (frame * 0.5).add_(0.5).clamp_(0, 1)
