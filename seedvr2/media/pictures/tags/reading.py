"""The tags of a picture just opened, whatever its kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from seedvr2.media.pictures.tags import exif as exif_tags
from seedvr2.media.pictures.tags import xmp as xmp_tags
from seedvr2.media.pictures.tags.exif import BROKEN
from seedvr2.media.pictures.tags.of_bmp import read_bmp_profile
from seedvr2.media.pictures.tags.of_boxes import read_box_tags
from seedvr2.media.pictures.tags.of_gif import read_gif_xmp
from seedvr2.media.pictures.tags.of_jpeg import read_jpeg_tags
from seedvr2.media.pictures.tags.of_png import read_png_tags
from seedvr2.media.pictures.tags.of_tiff import read_tiff_tags
from seedvr2.media.pictures.tags.of_webp import read_webp_items
from seedvr2.media.pictures.tags.picture_tags import PictureTags

_BOXES = ("AVIF", "HEIF", "JPEG2000")


def read_picture_tags(image: Image.Image, path: Path) -> tuple[PictureTags, list[str]]:
    """The tags of a picture just opened, and sentences on what could not be read."""
    tags, warnings = PictureTags(), []
    try:
        tags = _by_format(image, path)
    except BROKEN:
        warnings.append("The data beside the pixels is damaged and was left out.")
    try:
        entries = _entries(image, tags)
        found = exif_tags.read_exif(entries)
        tags = replace(
            tags,
            exif=found.data,
            orientation=found.orientation,
            dpi=tags.dpi or _plausible(image.info.get("dpi")) or _plausible(exif_tags.resolution(entries)),
            items=tags.items | found.items,
        )
    except BROKEN:
        tags = replace(tags, exif=None)
        warnings.append("The EXIF data is damaged and was left out.")
    xmp = tags.xmp or _as_bytes(image.info.get("xmp"))
    items = tags.items
    if xmp:
        items |= {
            key
            for key, told in (
                ("depth_map", xmp_tags.tells_depth(xmp)),
                ("gain_map", xmp_tags.tells_gain_map(xmp)),
                ("motion_video", xmp_tags.tells_video(xmp)),
            )
            if told
        }
    return (
        replace(
            tags,
            icc=tags.icc or image.info.get("icc_profile") or None,
            xmp=xmp,
            comment=tags.comment or _as_bytes(image.info.get("comment")),
            items=items,
        ),
        warnings,
    )


def _entries(image: Image.Image, tags: PictureTags) -> Image.Exif:
    """The EXIF as it is stored."""
    if image.format == "TIFF":
        return image.getexif()
    # `getexif` would take an orientation from XMP where EXIF has none, by which viewers turn no picture.
    entries = Image.Exif()
    if data := tags.exif or image.info.get("exif"):
        entries.load(data)
    return entries


def _by_format(image: Image.Image, path: Path) -> PictureTags:
    kind = image.format
    if kind == "PNG":
        return read_png_tags(path)
    if kind in ("JPEG", "MPO"):
        return read_jpeg_tags(path, image)
    if kind == "TIFF":
        return read_tiff_tags(image)
    if kind == "GIF":
        return PictureTags(xmp=read_gif_xmp(path))
    if kind == "WEBP":
        return PictureTags(items=read_webp_items(path))
    if kind in ("BMP", "DIB"):
        return PictureTags(icc=read_bmp_profile(path))
    return read_box_tags(path) if kind in _BOXES else PictureTags()


def _as_bytes(value: Any) -> bytes | None:
    if isinstance(value, str):
        value = value.encode()
    return value if isinstance(value, bytes) and value else None


def _plausible(dpi: Any) -> tuple[float, float] | None:
    try:
        x, y = (float(value) for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    # Files without a resolution state 0 or 1 per inch.
    return (x, y) if 1 < x < 1e5 and 1 < y < 1e5 else None
