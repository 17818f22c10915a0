"""LAB colour correction, the default: wavelet first, then the colour axes matched by rank.

Lightness keeps 80 % of its own values, so that restored contrast stays. Ranks are taken over all frames of a
slice at once: frame by frame they would flicker.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from seedvr2.colour import wavelet
from seedvr2.colour.matching import match_ranks

_OWN_LIGHTNESS = 0.8

# sRGB's primaries with the white point D65 (IEC 61966-2-1), and CIE LAB's constants.
_RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_WHITE = (0.95047, 1.0, 1.08883)
_DELTA = 6 / 29


def correct(content: Tensor, style: Tensor) -> Tensor:
    """Frames (T, 3, H, W) in −1…1; the result is within that."""
    lab = _frames(wavelet.correct(content, style), rgb_to_lab)
    wanted = _frames(style, rgb_to_lab)
    for axis in range(3):
        matched = match_ranks(lab[:, axis], wanted[:, axis])
        if axis == 0:
            matched = matched.lerp_(lab[:, axis], _OWN_LIGHTNESS)
        lab[:, axis] = matched
    del wanted
    for index in range(len(lab)):
        lab[index] = lab_to_rgb(lab[index]).clamp_(0, 1).mul_(2).sub_(1)
    return lab


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """(3, H, W) sRGB in 0…1 to L in 0…100 and a, b."""
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = _mix(linear, _matrix(rgb)) / rgb.new_tensor(_WHITE).view(3, 1, 1)
    root = torch.where(xyz > _DELTA**3, xyz.clamp(min=0) ** (1 / 3), xyz / (3 * _DELTA**2) + 4 / 29)
    x, y, z = root
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)))


def lab_to_rgb(lab: Tensor) -> Tensor:
    """The inverse of `rgb_to_lab`; colours outside of sRGB leave 0…1."""
    y = (lab[0] + 16) / 116
    root = torch.stack((lab[1] / 500 + y, y, y - lab[2] / 200))
    xyz = torch.where(root > _DELTA, root**3, 3 * _DELTA**2 * (root - 4 / 29))
    linear = _mix(xyz * lab.new_tensor(_WHITE).view(3, 1, 1), torch.linalg.inv(_matrix(lab)))
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curved, 12.92 * linear)


def _frames(images: Tensor, convert: Callable[[Tensor], Tensor]) -> Tensor:
    """Images (T, 3, H, W) in −1…1, each converted on its own: the temporaries are those of one frame."""
    result = torch.empty_like(images)
    for index, image in enumerate(images):
        result[index] = convert((image * 0.5 + 0.5).clamp_(0, 1))
    return result


def _matrix(like: Tensor) -> Tensor:
    return like.new_tensor(_RGB_TO_XYZ)


def _mix(image: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("ij,jhw->ihw", matrix, image)
