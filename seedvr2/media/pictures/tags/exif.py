"""EXIF: what of it goes with a picture that was made upright and of another size."""

from __future__ import annotations

import struct
from collections.abc import MutableMapping
from typing import Any, NamedTuple

from PIL import Image
from PIL.ExifTags import IFD, Base

UPRIGHT = 1
BROKEN = (SyntaxError, ValueError, KeyError, TypeError, IndexError, OSError, struct.error)
# Places on the earth of the pixels, for the size that they had.
GEOTIFF = frozenset((33550, 33922, 34264, 34735, 34736, 34737))
PHOTOSHOP_LAYERS, C2PA = (37724, 50255), 52545
# Tags of a TIFF's first directory that describe how its pixels are stored, or what is carried over on its own.
_STORAGE_TAGS = GEOTIFF | frozenset(
    (*range(254, 260), 262, 263, 266, 273, 274, *range(277, 285), 290, 291, 292, 293, 296, 301, 317, 318, 319,
     *range(320, 334), *range(336, 348), *range(512, 522), *range(529, 533), 700, 33723, 34377, 34675,
     *PHOTOSHOP_LAYERS, C2PA)
)  # fmt: skip
_INCH, _CENTIMETRE = 2, 3


class ExifData(NamedTuple):
    """EXIF of a source.

    Attributes:
        data: as of Pillow's `Exif.tobytes`: upright, without thumbnail; None if there is none.
        orientation: of the stored pixels.
        items: which of `gps` and `maker_note` are in it.
    """

    data: bytes | None
    orientation: int
    items: frozenset[str]


def read_exif(entries: Image.Exif) -> ExifData:
    """Raises one of `BROKEN`."""
    orientation = entries.get(Base.Orientation, UPRIGHT)
    kept = Image.Exif()
    copy_exif(entries, kept)
    items = frozenset(
        key
        for key, there in (
            ("gps", entries.get_ifd(IFD.GPSInfo)),
            ("maker_note", Base.MakerNote in entries.get_ifd(IFD.Exif)),
        )
        if there
    )
    data = None
    if len(kept):
        kept[Base.Orientation] = UPRIGHT
        data = kept.tobytes()
    return ExifData(data, orientation if isinstance(orientation, int) else UPRIGHT, items)


def copy_exif(source: Image.Exif, target: MutableMapping[int, Any]) -> None:
    """Copy what describes the picture, and not its storage, to another directory of tags."""
    for tag in source:
        # Not read where it is not wanted: Pillow warns of values that are not as the standard has them.
        if tag not in _STORAGE_TAGS and tag not in (IFD.Exif, IFD.GPSInfo):
            target[tag] = source[tag]
    for ifd in (IFD.Exif, IFD.GPSInfo):
        if entries := dict(source.get_ifd(ifd)):
            if entries.pop(IFD.Interop, None) and (inner := source.get_ifd(IFD.Interop)):
                # What it held was the place in the file that it came from.
                entries[IFD.Interop] = dict(inner)
            target[ifd] = entries


def with_size(data: bytes, width: int, height: int) -> bytes:
    """The same, with the size that it states brought up to date."""
    exif = Image.Exif()
    exif.load(data)
    details = exif.get_ifd(IFD.Exif)
    for tag, value in ((Base.ExifImageWidth, width), (Base.ExifImageHeight, height)):
        if tag in details:
            details[tag] = value
    return exif.tobytes()


def with_resolution(data: bytes | None, dpi: tuple[float, float]) -> bytes:
    """The same, with a resolution: for formats that have no other place for it."""
    exif = Image.Exif()
    if data:
        exif.load(data)
    exif[Base.XResolution], exif[Base.YResolution], exif[Base.ResolutionUnit] = *dpi, _INCH
    return exif.tobytes()


def resolution(entries: Image.Exif) -> tuple[float, float] | None:
    """Pixels per inch, or None."""
    try:
        x, y = float(entries[Base.XResolution]), float(entries[Base.YResolution])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x * 2.54, y * 2.54) if entries.get(Base.ResolutionUnit) == _CENTIMETRE else (x, y)
