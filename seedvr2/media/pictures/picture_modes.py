"""From any of Pillow's modes to RGB(A): through the colour profile where the numbers mean nothing without it."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from seedvr2.errors import MediaError
from seedvr2.media.info import Pixels
from seedvr2.media.pictures.tags.picture_tags import PictureTags

# Gray with more than 8 bits. `I` is 32-bit integers, `F` floating point.
DEEP_GRAY = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
# Modes that a profile of another space than RGB can belong to.
_SPACES = {"CMYK": "CMYK", "LAB": "Lab", "1": "GRAY", "L": "GRAY", "LA": "GRAY"}


class Converted(NamedTuple):
    """(H, W, 3 or 4) uint8 or uint16 pixels, the tags that fit them, and sentences on what was lost."""

    pixels: Pixels
    tags: PictureTags
    warnings: list[str]


def to_rgb(image: Image.Image, tags: PictureTags, name: str) -> Converted:
    """Convert a loaded picture.

    Raises:
        MediaError: its numbers cannot be taken for colours; the message calls the file `name`.
    """
    if image.mode in DEEP_GRAY:
        gray = _deep_gray(image, name)
        return Converted(np.repeat(gray[..., None], 3, axis=2), *drop_unfit_profile(tags, "RGB"))
    space = _SPACES.get(image.mode, "RGB")
    tags, warnings = drop_unfit_profile(tags, space)
    converted = None
    if space == "Lab" or (space != "RGB" and tags.icc):
        converted = _to_srgb(image, tags.icc)
        tags = replace(tags, icc=None)
    if converted is None:
        if space == "CMYK":
            warnings.append("The CMYK picture has no usable colour profile; its colours are approximate.")
        converted = image.convert("RGBA" if image.has_transparency_data else "RGB")
    # A copy, since the array would be read-only otherwise.
    return Converted(np.array(converted), tags, warnings)


def drop_unfit_profile(tags: PictureTags, space: str) -> tuple[PictureTags, list[str]]:
    """`tags` without a profile that is not made for pixels of `space`, and a sentence if that was so."""
    # A gray picture's RGB profile stays right for the RGB picture that it becomes.
    if not tags.icc or tags.space in (space, "RGB" if space == "GRAY" else space):
        return tags, []
    return replace(tags, icc=None), [f"The colour profile, made for {tags.space}, does not fit and was left out."]


def _deep_gray(image: Image.Image, name: str) -> NDArray[np.uint16]:
    values = np.asarray(image)
    if image.mode not in ("I", "F"):
        return np.array(values, np.uint16)
    low, high = values.min(), values.max()
    if image.mode == "F" and low >= 0 and high <= 1:
        return np.array(np.rint(values * 65535), np.uint16)
    if image.mode == "I" and low >= 0 and high <= 65535:
        return np.array(values, np.uint16)
    # Also for NaN, of which no comparison is true.
    what = "floating-point samples outside 0 to 1" if image.mode == "F" else "samples of more than 16 bits"
    raise MediaError(f"{name} has {what}; convert it to 16 bits per sample first.")


def _to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image | None:
    """Through the profile; None if it is of no use."""
    alpha = image.convert("LA").getchannel("A") if image.has_transparency_data else None
    colors = image if image.mode in ("CMYK", "LAB") else image.convert("L")
    try:
        converted = ImageCms.profileToProfile(
            colors,
            ImageCms.ImageCmsProfile(BytesIO(icc)) if icc else ImageCms.createProfile("LAB"),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    if converted is not None and alpha is not None:
        converted.putalpha(alpha)
    return converted
