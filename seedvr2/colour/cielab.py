"""sRGB to CIELAB (D65) and back, in few and cheap steps: each is done to millions of pixels.

Both curves between them are a power above a threshold and a line below it, and continuous. So each is the power of
what lies above plus the line of what lies below, and no step has to choose between two results.
"""

from __future__ import annotations

import torch
from torch import Tensor

# IEC 61966-2-1: sRGB to CIE XYZ, each row divided by the white point D65.
_WHITE = (0.95047, 1.0, 1.08883)
_RGB_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
_TO_XYZ = torch.tensor(_RGB_TO_XYZ, dtype=torch.float64) / torch.tensor(_WHITE, dtype=torch.float64)[:, None]
_FROM_XYZ = torch.linalg.inv(_TO_XYZ)
# Its transfer function: below these a line, above a power of the value stretched to 1 from the offset.
_SRGB_KNEE, _LINEAR_KNEE, _SRGB_SLOPE = 0.04045, 0.0031308, 12.92
_OFFSET, _GAMMA = 0.055, 2.4
# CIELAB's cube root becomes a line below the cube of this.
_DELTA = 6 / 29


def to_lab(image: Tensor) -> Tensor:
    """(3, H, W) sRGB in −1…1 (clamped to it) to CIELAB: L in 0…100, a and b in about ±100."""
    srgb = (image * 0.5).add_(0.5).clamp_(0, 1)
    below = srgb.sub(_SRGB_KNEE).clamp_(max=0).div_(_SRGB_SLOPE)
    srgb.clamp_(min=_SRGB_KNEE).add_(_OFFSET).div_(1 + _OFFSET)
    linear = _power(srgb, _GAMMA).add_(below)
    xyz = _mix(linear, _TO_XYZ)
    torch.sub(xyz, _DELTA**3, out=below).clamp_(max=0).div_(3 * _DELTA**2)
    x, y, z = _power(xyz.clamp_(min=_DELTA**3), 1 / 3).add_(below)
    lab = torch.empty_like(xyz)
    torch.mul(y, 116, out=lab[0]).sub_(16)
    torch.sub(x, y, out=lab[1]).mul_(500)
    torch.sub(y, z, out=lab[2]).mul_(200)
    return lab


def from_lab(lab: Tensor) -> Tensor:
    """The way back, clamped to what sRGB holds."""
    roots = torch.empty_like(lab)
    lightness, a, b = lab
    x, y, z = roots
    torch.add(lightness, 16, out=y).div_(116)
    torch.add(y, a, alpha=1 / 500, out=x)
    torch.sub(y, b, alpha=1 / 200, out=z)
    below = roots.sub(_DELTA).clamp_(max=0).mul_(3 * _DELTA**2)
    roots.clamp_(min=_DELTA)
    linear = _mix((roots * roots).mul_(roots).add_(below), _FROM_XYZ).clamp_(0, 1)
    torch.sub(linear, _LINEAR_KNEE, out=below).clamp_(max=0).mul_(_SRGB_SLOPE)
    # The last of the three clamps is for rounding, which may pass 1.
    srgb = _power(linear.clamp_(min=_LINEAR_KNEE), 1 / _GAMMA).mul_(1 + _OFFSET).sub_(_OFFSET).add_(below)
    return srgb.clamp_(0, 1).mul_(2).sub_(1)


def _power(base: Tensor, exponent: float) -> Tensor:
    """`base`, which is positive, to a power, in its memory; `pow` takes twice as long."""
    return base.log2_().mul_(exponent).exp2_()


def _mix(planes: Tensor, matrix: Tensor) -> Tensor:
    # Not a matmul: a GPU that is allowed TF32 would round it to 11 bits.
    mixed = torch.empty_like(planes)
    rows: list[list[float]] = matrix.tolist()
    for plane, row in zip(mixed, rows, strict=True):
        torch.mul(planes[0], row[0], out=plane).add_(planes[1], alpha=row[1]).add_(planes[2], alpha=row[2])
    return mixed
