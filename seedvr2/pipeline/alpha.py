"""Enlarges the alpha channel so that its edges follow those of the restored picture (spec: engine.md, section 4, RGBA).

Alpha is resized, then a guided filter (He, Sun, Tang: Guided Image Filtering) pulls its edges to the picture's. A
mask, where nearly all of the alpha is 0 or 1, is also made hard again: away from the picture's edges entirely, at
them by a steep curve.
"""

from __future__ import annotations

from math import prod

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seedvr2.colour.frames import Frames
from seedvr2.pipeline.preprocess import bicubic

# Alpha is a mask if more than this share of it lies within _NEARLY of 0 or 1.
_MASK_SHARE, _NEARLY = 0.95, 0.1
_MASK_RADIUS, _SOFT_RADIUS = 2, 3
# Regularisation of the guided filter: variance of the picture below which alpha is merely smoothed.
_EPSILON = 0.002
# Strength of the picture's edges, as a share of the frame's strongest. A pixel is flat below the first in its 3x3
# neighbourhood; the curve takes over up to the second; a middle grey is only left standing above the third.
_FLAT, _STEEP, _SHARP = 0.05, 0.25, 0.15
_STEEPNESS = 12.0
_MIDDLE = (0.3, 0.7)


@torch.no_grad()
def upscale_alpha(alpha: Frames, picture: Tensor, *, reference: bool = False) -> Tensor:
    """Alpha at the size of the restored picture.

    Args:
        alpha: the source's, (T, 1, h, w) in 0…1; whether it is a mask is decided over all frames.
        picture: the restored frames, (T, 3, H, W) in −1…1, which they may overshoot.
        reference: as the public implementation does it where that shows: alpha darkens towards the border, an opaque
            picture is not quite opaque at its edges, and pictures that are not negative anywhere are taken as 0…1.

    Returns:
        (T, 1, H, W) float32 in 0…1.
    """
    mask = _is_mask(alpha)
    lowest = float(picture.min()) if reference else -1.0
    result = picture.new_empty((len(picture), 1, *picture.shape[2:]), dtype=torch.float32)
    # Frame by frame: the temporaries are then those of one frame.
    for index in range(len(picture)):
        own, frame = alpha[index][None].float(), picture[index : index + 1].float()
        result[index : index + 1] = _upscale_frame(own, frame, lowest, mask=mask, reference=reference)
    return result


def _is_mask(alpha: Frames) -> bool:
    nearly = ((frame < _NEARLY) | (frame > 1 - _NEARLY) for frame in (alpha[index] for index in range(alpha.shape[0])))
    return int(torch.stack([part.sum() for part in nearly]).sum()) / prod(alpha.shape) > _MASK_SHARE


def _upscale_frame(alpha: Tensor, picture: Tensor, lowest: float, *, mask: bool, reference: bool) -> Tensor:
    height, width = picture.shape[2:]
    resized = bicubic(alpha, (width, height)).clamp(0, 1)
    unit = (picture + 1) / 2 if lowest < 0 else picture
    radius = _MASK_RADIUS if mask else _SOFT_RADIUS
    filtered = guided_filter(unit.mean(dim=1, keepdim=True), resized, radius, _EPSILON, zero_border=reference)
    if mask:
        # The reference does it twice to what overshoots, which halves the contrast.
        edges = edge_strength((unit + 1) / 2 if lowest < -1 else unit)
        filtered = _harden(filtered, edges, exact=not reference)
    return filtered.clamp_(0, 1)


def guided_filter(guide: Tensor, image: Tensor, radius: int, epsilon: float, *, zero_border: bool = False) -> Tensor:
    """The guided filter of `image` by `guide`, both (T, 1, H, W), in windows of 2·radius + 1.

    `zero_border` counts the outside as zeros, instead of averaging over what lies inside.
    """

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, 2 * radius + 1, stride=1, padding=radius, count_include_pad=zero_border)

    mean_guide, mean_image = mean(guide), mean(image)
    variance = mean(guide * guide) - mean_guide * mean_guide
    slope = (mean(guide * image) - mean_guide * mean_image) / (variance + epsilon)
    offset = mean_image - slope * mean_guide
    return mean(slope) * guide + mean(offset)


def edge_strength(picture: Tensor) -> Tensor:
    """Sobel magnitude (T, 1, H, W) of frames (T, 3, H, W) in 0…1, as a share of each frame's largest.

    In steps of 1/255 from 8-bit grey levels, like OpenCV's `cvtColor` and `Sobel`. A flat frame has none.
    """
    levels = (picture * 255).clamp_(0, 255).floor_()
    red, green, blue = levels.unbind(1)
    # ITU-R BT.601 luma in 15-bit fixed point; exact in float32, the sum stays below 2^24.
    grey = ((red * 9798 + green * 19235 + blue * 3735 + 16384) / 32768).floor_()[:, None]
    padded = _mirrored(grey)
    smooth_rows = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    smooth_columns = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    across = smooth_rows[..., 2:] - smooth_rows[..., :-2]
    down = smooth_columns[:, :, 2:] - smooth_columns[:, :, :-2]
    # In double, so that the rounding to steps falls where OpenCV's does.
    magnitude = torch.sqrt(across.double() ** 2 + down.double() ** 2)
    strongest = magnitude.amax(dim=(1, 2, 3), keepdim=True)
    return (magnitude / strongest.masked_fill(strongest == 0, 1) * 255).floor_().float() / 255


def _mirrored(images: Tensor) -> Tensor:
    """One pixel more on each side, mirrored about the outermost; repeated where there is only one to mirror."""
    for dim in (2, 3):
        size = images.shape[dim]
        first, last = images.narrow(dim, min(1, size - 1), 1), images.narrow(dim, max(size - 2, 0), 1)
        images = torch.cat((first, images, last), dim=dim)
    return images


def _harden(alpha: Tensor, edges: Tensor, *, exact: bool) -> Tensor:
    """A filtered mask (T, 1, H, W) made hard away from the picture's edges and steep at them."""
    flat = F.max_pool2d(edges, 3, stride=1, padding=1) < _FLAT
    hard = (alpha > 0.5).float()
    steep = torch.lerp(alpha, _steepen(alpha, exact=exact), (edges / _STEEP).clamp_(0, 1))
    result = torch.where(flat, hard, steep)
    middle = (result > _MIDDLE[0]) & (result < _MIDDLE[1])
    return torch.where(middle & (edges <= _SHARP), (result > 0.5).float(), result)


def _steepen(alpha: Tensor, *, exact: bool) -> Tensor:
    """A logistic curve through 0.5; with `exact`, stretched so that 0 and 1 stay what they are."""
    curve = torch.sigmoid((alpha - 0.5) * _STEEPNESS)
    if not exact:
        return curve
    least = torch.sigmoid(torch.tensor(-0.5 * _STEEPNESS)).item()
    return (curve - least) / (1 - 2 * least)
