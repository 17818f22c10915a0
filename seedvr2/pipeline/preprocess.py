"""From the source's pixels to what the networks see (spec: engine.md, section 4.2)."""

from __future__ import annotations

import math

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seedvr2.pipeline.region import Region
from seedvr2.pipeline.sizes import Size, Sizes


def resize(frames: Tensor, sizes: Sizes) -> Tensor:
    """Frames (T, H, W, 3) in 0…1 to (T, 3, h, w) in 0…1 of the size `sizes.resized`, bicubic and antialiased."""
    return bicubic(_channels_first(frames), sizes.resized).clamp(0, 1)


def resize_part(frames: Tensor, sizes: Sizes, region: Region) -> Tensor:
    """The same, but only those pixels of it: (T, 3, h, w) of the region's size.

    Rows and columns are resized one after the other, so a strip as wide as the picture, and then one as high, will do.
    """
    height, (across, down) = frames.shape[1], sizes.resized
    reach = math.ceil(2 * max(height / down, 1)) + 2
    first = max(math.floor(region.top * height / down) - reach, 0)
    last = min(math.ceil(region.bottom * height / down) + reach, height)
    strip = bicubic(_channels_first(frames[:, first:last]), (across, last - first))[..., region.left : region.right]
    column = F.pad(strip, (0, 0, first, height - last))
    return bicubic(column, (region.size[0], down))[:, :, region.top : region.bottom].clamp(0, 1)


def resize_in_two_steps(frames: Tensor, sizes: Sizes) -> Tensor:
    """The same by way of `sizes.first`, as the public implementation enlarges and then shrinks."""
    first = bicubic(_channels_first(frames), sizes.first)
    return (first if sizes.first == sizes.resized else bicubic(first, sizes.resized)).clamp(0, 1)


def softened(frames: Tensor, sizes: Sizes, softness: float) -> Tensor:
    """Frames (T, H, W, 3) made smaller, by 1 + `softness` (0…1), than they are or than the result, if that is smaller.

    What a network sees of them is then softer than the source. The filter is a triangle, which takes all pixels alike
    at any factor; means over whole pixels would leave some sharp and blur their neighbours.
    """
    if softness <= 0:
        return frames
    edges = zip((frames.shape[2], frames.shape[1]), sizes.resized, strict=True)
    width, height = (max(round(min(pair) / (1 + softness)), 1) for pair in edges)
    images = _channels_first(frames)
    smaller = F.interpolate(images, (height, width), mode="bilinear", antialias=True, align_corners=False)
    return smaller.permute(0, 2, 3, 1)


def bicubic(images: Tensor, size: Size) -> Tensor:
    """Images (T, C, H, W) at another size (width, height); values may overshoot."""
    width, height = size
    if images.shape[2:] == (height, width):
        return images
    return F.interpolate(images, (height, width), mode="bicubic", antialias=True, align_corners=False)


def pad_to(images: Tensor, size: Size) -> Tensor:
    """Images (T, C, H, W) with zeros added on the right and at the bottom up to `size` (width, height)."""
    width, height = size
    return F.pad(images, (0, width - images.shape[3], 0, height - images.shape[2]))


def normalise(images: Tensor) -> Tensor:
    """0…1 to −1…1."""
    return images * 2 - 1


def _channels_first(frames: Tensor) -> Tensor:
    # Also in memory: the resize, and everything after it, is faster on planes.
    return frames.permute(0, 3, 1, 2).contiguous()
