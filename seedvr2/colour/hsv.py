"""HSV colour correction: saturation matched by rank, hue by hue; hue and value stay (engine.md, 4.7)."""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.colour import histogram, matching
from seedvr2.colour.bands import bands
from seedvr2.colour.frames import Frames

# Of 30° each. The first is matched together with the last one's pixels, so that red is not cut in two; the last also by
# itself, if it can.
_HUES = 12
_RED, _PINK = 0, _HUES - 1
# A distribution of fewer pixels says nothing: such hues keep their saturation.
_FEW = 100
_ROWS = 1


def correct(content: Tensor, style: Frames) -> Tensor:
    """Frames (T, 3, H, W) in −1…1, matched all together; so is the result."""
    few = content[:, 0].numel() <= matching.FEW
    return (_correct_few if few else _correct_many)(content, style)


def _correct_few(content: Tensor, style: Frames) -> Tensor:
    """By sorting."""
    own, other = (_unit(torch.cat([frames[i] for i in range(len(content))], dim=1)) for frames in (content, style))
    hues, saturations = _hues_and_saturations(own)
    target_hues, target = _hues_and_saturations(other)
    matched = saturations.clone()
    for hue in range(_HUES):
        here, there = _of_hue(hues, hue), _of_hue(target_hues, hue)
        values, wanted = saturations[here], target[there]
        if min(len(values), len(wanted)) > _FEW:
            matched[here] = matching.match_ranks(values, wanted)
    result = _with_saturation(own, matched).mul_(2).sub_(1)
    return torch.stack(result.chunk(len(content), dim=1))


def _correct_many(content: Tensor, style: Frames) -> Tensor:
    """By counting; nothing is kept of the frames."""
    result = torch.empty_like(content)
    counts = content.new_zeros((_HUES, histogram.BINS), dtype=torch.int64)
    target = torch.zeros_like(counts)
    bins = content.new_empty(content.shape[2:], dtype=torch.int32)
    for index, own in enumerate(content):
        for total, frame in ((counts, own), (target, style[index])):
            for rows in bands(own, _ROWS):
                bins[rows] = _bins(*_hues_and_saturations(_unit(frame[:, rows])))
            total += histogram.count(bins, _HUES)
    moves = _moves(counts, target)
    for out, own in zip(result, content, strict=True):
        for rows in bands(own, _ROWS):
            image = _unit(own[:, rows])
            hues, saturations = _hues_and_saturations(image)
            matched = histogram.picked(moves, _bins(hues, saturations)).add_(saturations).clamp_(0, 1)
            torch.mul(_with_saturation(image, matched), 2, out=out[:, rows]).sub_(1)
    return result


def saturation(frame: Tensor) -> Tensor:
    """(3, H, W) in −1…1 (clamped to it) to the saturation (H, W) in 0…1; black has none."""
    return _saturation(*_extremes(_unit(frame)))


def _of_hue(hues: Tensor, hue: int) -> Tensor:
    return (hues == _RED) | (hues == _PINK) if hue == _RED else hues == hue


def _moves(counts: Tensor, target: Tensor) -> Tensor:
    """(hues, BINS): by how much the saturations of each bin change; the counts are spoiled."""
    for each in (counts, target):
        each[_RED] += each[_PINK]
    moves = histogram.shifts(counts, target).div_(histogram.BINS - 1)
    enough = torch.minimum(counts.sum(1, keepdim=True), target.sum(1, keepdim=True)) > _FEW
    moves = torch.where(enough, moves, 0)
    moves[_PINK] = torch.where(enough[_PINK], moves[_PINK], moves[_RED])
    return moves


def _bins(hues: Tensor, saturations: Tensor) -> Tensor:
    """The bins of saturations, those of each hue behind those of the one before."""
    bins = (saturations * (histogram.BINS - 1)).add_(0.5).to(torch.int32)
    return bins.clamp_(0, histogram.BINS - 1).add_(hues, alpha=histogram.BINS)


def _hues_and_saturations(image: Tensor) -> tuple[Tensor, Tensor]:
    """(3, H, W) in 0…1 to the number of every pixel's hue, (H, W) int32, and its saturation (H, W)."""
    low, high = _extremes(image)
    chroma = high - low
    divisor = chroma.masked_fill(chroma == 0, 1)
    red, green, blue = image
    # In sixths of the circle; grey counts as red.
    hue = torch.where(
        high == red,
        (green - blue).div_(divisor).remainder_(6),
        torch.where(high == green, (blue - red).div_(divisor).add_(2), (red - green).div_(divisor).add_(4)),
    )
    # A hue just below 0° rounds to 360°.
    return hue.mul_(_HUES / 6).to(torch.int32).clamp_(0, _HUES - 1), _saturation(low, high)


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
