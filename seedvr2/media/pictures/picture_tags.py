"""What a picture carries beside its pixels: colour profile, EXIF, resolution."""

from __future__ import annotations

import struct
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD, Base

# Tags of a TIFF's first directory that describe how its pixels are stored, or what is carried over on its own.
_STORAGE_TAGS = frozenset(
    (*range(254, 260), 262, 263, 266, 273, 274, *range(277, 285), 290, 291, 292, 293, 296, 301, 317, 318, 319,
     *range(320, 334), *range(336, 348), *range(512, 522), *range(529, 533), 700, 33723, 34377, 34675)
)  # fmt: skip
_UPRIGHT = 1


@dataclass(frozen=True, slots=True)
class PictureTags:
    """What a picture carries.

    Attributes:
        icc: colour profile of the pixels; None for sRGB.
        exif: as of Pillow's `Exif.tobytes`: upright, without thumbnail; None if there is none.
        orientation: of the stored pixels, as EXIF has it.
        dpi: pixels per inch, horizontally and vertically; None if unknown.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    orientation: int = _UPRIGHT
    dpi: tuple[float, float] | None = None

    @property
    def space(self) -> str:
        """What the profile describes: `RGB`, `CMYK`, `GRAY`, `Lab`…; empty without one."""
        return self.icc[16:20].decode("latin-1").strip() if self.icc else ""

    def with_size(self, width: int, height: int) -> PictureTags:
        """The same, with the size that EXIF states brought up to date."""
        if self.exif is None:
            return self
        exif = Image.Exif()
        exif.load(self.exif)
        details = exif.get_ifd(IFD.Exif)
        for tag, value in ((Base.ExifImageWidth, width), (Base.ExifImageHeight, height)):
            if tag in details:
                details[tag] = value
        return replace(self, exif=exif.tobytes())


def read_picture_tags(image: Image.Image) -> tuple[PictureTags, list[str]]:
    """The tags of a picture just opened, and sentences on what could not be read."""
    warnings: list[str] = []
    orientation: Any = _UPRIGHT
    exif = None
    try:
        entries = image.getexif()
        orientation = entries.get(Base.Orientation, _UPRIGHT)
        kept = Image.Exif()
        copy_exif(entries, kept)
        if len(kept):
            kept[Base.Orientation] = _UPRIGHT
            exif = kept.tobytes()
    except (SyntaxError, ValueError, KeyError, TypeError, IndexError, OSError, struct.error):
        warnings.append("The EXIF data is damaged and was left out.")
    icc = image.info.get("icc_profile") or None
    tags = PictureTags(icc, exif, orientation if isinstance(orientation, int) else _UPRIGHT, _resolution(image))
    return tags, warnings


def copy_exif(source: Image.Exif, target: MutableMapping[int, Any]) -> None:
    """Copy what describes the picture, and not its storage, to another directory of tags."""
    for tag, value in source.items():
        if tag not in _STORAGE_TAGS and tag not in (IFD.Exif, IFD.GPSInfo):
            target[tag] = value
    for ifd in (IFD.Exif, IFD.GPSInfo):
        if entries := source.get_ifd(ifd):
            target[ifd] = dict(entries)


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    dpi: Any = image.info.get("dpi")
    try:
        x, y = (float(value) for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    # Files without a resolution state 0 or 1 per inch.
    return (x, y) if 1 < x < 1e5 and 1 < y < 1e5 else None
