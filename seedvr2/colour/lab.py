"""LAB colour correction, the default: the wavelet result with its colours matched by rank in CIELAB (engine.md, 4.7).

The two chroma channels are replaced, lightness moves a fifth of the way: detail lives in lightness, and the
network's detail is what one came for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from seedvr2.colour import wavelet
from seedvr2.colour.frames import Frames
from seedvr2.colour.matching import match_in_place

# How far lightness, a and b go towards the source's.
_STRENGTHS = (0.2, 1.0, 1.0)

# sRGB to CIE XYZ (IEC 61966-2-1), each row divided by the white point D65.
_WHITE = (0.95047, 1.0, 1.08883)
_RGB_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
_TO_XYZ = torch.tensor(_RGB_TO_XYZ, dtype=torch.float64) / torch.tensor(_WHITE, dtype=torch.float64)[:, None]
_FROM_XYZ = torch.linalg.inv(_TO_XYZ)
_DELTA = 6 / 29


def correct(content: Tensor, style: Frames) -> Tensor:
    """Frames (T, 3, H, W) in −1…1, matched all together; so is the result."""
    frames, _, height, width = content.shape
    # Channels first: each is sorted as one run of memory.
    own = content.new_empty(3, frames, height, width)
    other = torch.empty_like(own)
    for index in range(frames):
        wanted = style[index]
        own[:, index] = to_lab(wavelet.correct_frame(content[index], wanted))
        other[:, index] = to_lab(wanted)
    _match(own, other)
    del other
    for index in range(frames):
        own[:, index] = from_lab(own[:, index])
    return own.transpose(0, 1)


def _match(own: Tensor, other: Tensor) -> None:
    """Match the channels of `own` (3, T, H, W) to those of `other`, in place; `other` is spoiled."""

    def match(channel: Tensor, target: Tensor, strength: float) -> None:
        match_in_place(channel.view(-1), target.view(-1), strength)

    # A sort keeps one core busy, and three at once would take more memory than they save time; a GPU takes its work in
    # one line anyway.
    with ThreadPoolExecutor(2 if own.device.type == "cpu" else 1) as pool:
        list(pool.map(match, own, other, _STRENGTHS))


def to_lab(image: Tensor) -> Tensor:
    """(3, H, W) sRGB in −1…1 (clamped to it) to CIELAB: L in 0…100, a and b in about ±100."""
    srgb = (image * 0.5).add_(0.5).clamp_(0, 1)
    linear = torch.where(srgb > 0.04045, srgb.add(0.055).div_(1.055).pow_(2.4), srgb / 12.92)
    xyz = _mix(linear, _TO_XYZ)
    x, y, z = torch.where(xyz > _DELTA**3, xyz.pow(1 / 3), xyz.div(3 * _DELTA**2).add_(4 / 29))
    return torch.stack((y * 116 - 16, (x - y) * 500, (y - z) * 200))


def from_lab(lab: Tensor) -> Tensor:
    """The way back, clamped to what sRGB holds."""
    lightness, a, b = lab
    y = (lightness + 16) / 116
    roots = torch.stack((y + a / 500, y, y - b / 200))
    xyz = torch.where(roots > _DELTA, roots.pow(3), roots.sub(4 / 29).mul_(3 * _DELTA**2))
    linear = _mix(xyz, _FROM_XYZ).clamp_(0, 1)
    srgb = torch.where(linear > 0.0031308, linear.pow(1 / 2.4).mul_(1.055).sub_(0.055), linear * 12.92)
    return srgb.clamp_(0, 1).mul_(2).sub_(1)


def _mix(planes: Tensor, matrix: Tensor) -> Tensor:
    # Not a matmul: a GPU that is allowed TF32 would round it to 11 bits.
    first, second, third = planes
    rows: list[list[float]] = matrix.tolist()
    return torch.stack([(first * row[0]).add_(second, alpha=row[1]).add_(third, alpha=row[2]) for row in rows])
