"""Transparency: enlarged beside the picture, its edges drawn to the edges of the restored one (engine.md, 4).

A guided filter (He, Sun and Tang, "Guided image filtering", 2010) makes alpha follow the restored picture. A mask,
alpha that is nearly all 0 or 1, is sharpened as well: flat areas become exactly 0 or 1, and only what lies on an
edge of the picture keeps a soft transition.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_MASK_SHARE = 0.95  # a mask has this share of its pixels below 0.1 or above 0.9
_MASK_RADIUS, _SOFT_RADIUS = 2, 3
_EPS = 0.002
# Strength of edges, 0…1 of the frame's strongest: below the first two a pixel is flat, above the last on an edge.
_FLAT, _NEARLY_FLAT, _EDGE, _FULL_EDGE = 0.03, 0.05, 0.15, 0.25
_CONTRAST = 12.0

# 8-bit luma (BT.601) in fixed point, as the reference's edge detector has it.
_LUMA, _LUMA_SHIFT = (9798, 19235, 3735), 15


def upscale_alpha(alpha: Tensor, restored: Tensor, *, reference: bool = False) -> Tensor:
    """Enlarge alpha to the size of the restored frames.

    Args:
        alpha: of the source, (T, 1, H, W) in 0…1.
        restored: frames before colour correction, (T, 3, h, w), about −1…1.
        reference: guess from the darkest value whether the frames are in −1…1, twice, as the reference does; its
            edges are then those of a paler picture.

    Returns:
        (T, 1, h, w) in 0…1.
    """
    picture = restored if reference and restored.min() >= 0 else (restored + 1) / 2
    size = (picture.shape[2], picture.shape[3])
    enlarged = F.interpolate(alpha, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    guide = picture.mean(dim=1, keepdim=True)
    if _is_mask(alpha):
        seen = (picture + 1) / 2 if reference and picture.min() < 0 else picture
        return _sharpen(guided_filter(guide, enlarged, _MASK_RADIUS), edges(seen)).clamp(0, 1)
    return guided_filter(guide, enlarged, _SOFT_RADIUS).clamp(0, 1)


def guided_filter(guide: Tensor, image: Tensor, radius: int) -> Tensor:
    """`image` (T, 1, H, W), smoothed within windows of 2·radius + 1 so that it follows the edges of `guide`."""

    def box(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2 * radius + 1, stride=1, padding=radius)

    mean_guide, mean_image = box(guide), box(image)
    variance = box(guide * guide) - mean_guide * mean_guide
    slope = (box(guide * image) - mean_guide * mean_image) / (variance + _EPS)
    return box(slope) * guide + box(mean_image - slope * mean_guide)


def edges(picture: Tensor) -> Tensor:
    """Strength of the Sobel gradient (T, 1, H, W) of frames in 0…1, in 255ths of each frame's strongest."""
    levels = (picture * 255).clamp(0, 255).to(torch.int32)
    luma = (levels * levels.new_tensor(_LUMA).view(3, 1, 1)).sum(dim=1, keepdim=True)
    gray = ((luma + (1 << (_LUMA_SHIFT - 1))) >> _LUMA_SHIFT).float()
    smooth, slope = gray.new_tensor([1, 2, 1]), gray.new_tensor([-1, 0, 1])
    kernels = torch.stack((torch.outer(smooth, slope), torch.outer(slope, smooth)))[:, None]
    mode = "reflect" if min(gray.shape[2:]) > 1 else "replicate"
    gradient = F.conv2d(F.pad(gray, (1, 1, 1, 1), mode=mode), kernels).double()
    strength = gradient.square().sum(dim=1, keepdim=True).sqrt()
    peak = strength.amax(dim=(2, 3), keepdim=True).clamp(min=1e-9)
    return (strength / peak * 255).floor().float() / 255


def _is_mask(alpha: Tensor) -> bool:
    extreme = (alpha < 0.1) | (alpha > 0.9)
    return extreme.float().mean().item() > _MASK_SHARE


def _sharpen(alpha: Tensor, edge: Tensor) -> Tensor:
    nearby = F.max_pool2d(edge, 3, stride=1, padding=1)
    contrasted = torch.sigmoid((alpha - 0.5) * _CONTRAST)
    soft = alpha.lerp(contrasted, (edge / _FULL_EDGE).clamp(0, 1))
    sharp = torch.where(nearby < _NEARLY_FLAT, _binary(alpha), soft)
    sharp = torch.where(nearby < _FLAT, _binary(sharp), sharp)
    undecided = (sharp > 0.3) & (sharp < 0.7) & (edge <= _EDGE)
    return torch.where(undecided, _binary(sharp), sharp)


def _binary(alpha: Tensor) -> Tensor:
    return (alpha > 0.5).to(alpha.dtype)
