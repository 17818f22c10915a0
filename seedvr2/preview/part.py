"""Which part of the picture is restored for a preview, and which of it is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from seedvr2.errors import OptionError
from seedvr2.media import MediaInfo, Pixels
from seedvr2.pipeline.region import Region
from seedvr2.pipeline.sizes import Size, Sizes
from seedvr2.preview.wish import Crop

# Pixels of the result around what is shown that are restored with it: what lies near the edge of all is worse.
CONTEXT = 32
# A part smaller than this, in pixels of the result, shows too little.
LEAST_EDGE = 128
_LOOK = 256  # pixels of the long edge of what is searched for detail


@dataclass(frozen=True, slots=True)
class Part:
    """Both in pixels of the resized picture.

    Attributes:
        worked: what goes through the networks; its corner is where the networks' own grid has one. shown: of it.
    """

    worked: Region
    shown: Region


def affordable(sizes: Sizes, pixels: float) -> Size:
    """Width and height of what can be shown where so many pixels can be restored, in the shape of the picture."""
    width, height = sizes.output
    aspect = min(max(width / height, 0.5), 2.0)
    # (h·aspect + 2c)·(h + 2c) = pixels, for h.
    middle = CONTEXT * (1 + aspect)
    edge = (math.sqrt(middle**2 + aspect * (pixels - 4 * CONTEXT**2)) - middle) / aspect if pixels > 0 else 0
    short = LEAST_EDGE / min(aspect, 1)
    return _even(edge * aspect, short * aspect, width), _even(edge, short, height)


def least_pixels(sizes: Sizes) -> int:
    """How many pixels are restored for the smallest part."""
    width, height = affordable(sizes, 0)
    return (width + 2 * CONTEXT) * (height + 2 * CONTEXT)


def _even(side: float, least: float, most: int) -> int:
    return min(round(max(side, least)) // 2 * 2, most)


def most_detailed(image: Pixels, sizes: Sizes, size: Size) -> Region:
    """The part of that size, in pixels of the result, of a frame (H, W, 3 or 4) where most is going on."""
    width, height = sizes.output
    scale = min(_LOOK / max(width, height), 1.0)
    small = (max(round(width * scale), 1), max(round(height * scale), 1))
    step = max(1, min(image.shape[:2]) // (2 * _LOOK))
    levels = image[::step, ::step, :3]
    levels = (levels >> 8).astype(np.uint8) if levels.dtype == np.uint16 else levels
    grey = np.asarray(Image.fromarray(np.ascontiguousarray(levels)).convert("L").resize(small), np.float32)
    detail = np.zeros_like(grey)
    detail[:, 1:] += np.abs(np.diff(grey, axis=1))
    detail[1:] += np.abs(np.diff(grey, axis=0))
    # The root: one hard edge, such as that of black bars, is not to outweigh an area of texture.
    sums = np.pad(np.sqrt(detail), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    across, down = (min(max(round(side * scale), 1), whole) for side, whole in zip(size, small, strict=True))
    boxes = sums[down:, across:] - sums[:-down, across:] - sums[down:, :-across] + sums[:-down, :-across]
    row, column = np.unravel_index(int(boxes.argmax()), boxes.shape)
    left = min(round(int(column) / scale), width - size[0])
    top = min(round(int(row) / scale), height - size[1])
    return Region(left, top, left + size[0], top + size[1])


def region_of(crop: Crop, info: MediaInfo, sizes: Sizes) -> Region:
    """Where a part of the source is in the result.

    Raises:
        OptionError: it lies outside.
    """
    if crop.x + crop.width > info.width or crop.y + crop.height > info.height:
        raise OptionError(
            "crop", f"crop must lie within the {info.width}x{info.height} pixels of the source, as x,y,width,height."
        )
    across, down = sizes.resized[0] / info.width, sizes.resized[1] / info.height
    right = min(math.ceil((crop.x + crop.width) * across), sizes.output[0])
    bottom = min(math.ceil((crop.y + crop.height) * down), sizes.output[1])
    return Region(
        min(math.floor(crop.x * across), right - 1), min(math.floor(crop.y * down), bottom - 1), right, bottom
    )


def shrunk(region: Region, size: Size) -> Region:
    """The middle of a region, of that size at the most."""
    width, height = (min(pair) for pair in zip(region.size, size, strict=True))
    left, top = region.left + (region.size[0] - width) // 2, region.top + (region.size[1] - height) // 2
    return Region(left, top, left + width, top + height)


def with_context(shown: Region, sizes: Sizes, multiple: int) -> Part:
    """What has to be restored to show that: `multiple` pixels are one step of the networks' grid."""
    width, height = sizes.resized
    worked = Region(
        max(shown.left - CONTEXT, 0) // multiple * multiple,
        max(shown.top - CONTEXT, 0) // multiple * multiple,
        min(-(-(shown.right + CONTEXT) // multiple) * multiple, width),
        min(-(-(shown.bottom + CONTEXT) // multiple) * multiple, height),
    )
    return Part(worked, shown)


def crop_of(shown: Region, info: MediaInfo, sizes: Sizes) -> Crop:
    """The pixels of the source that a part of the result shows."""
    across, down = info.width / sizes.resized[0], info.height / sizes.resized[1]
    left, top = round(shown.left * across), round(shown.top * down)
    return Crop(left, top, max(round(shown.right * across) - left, 1), max(round(shown.bottom * down) - top, 1))
