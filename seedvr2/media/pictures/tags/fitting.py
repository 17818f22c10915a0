"""The tags of a source as they fit a result of some format, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace

from seedvr2.media.carried.pictures import left_out
from seedvr2.media.pictures.tags.exif import with_resolution
from seedvr2.media.pictures.tags.made_profile import profile_of_chunks, profile_of_cicp
from seedvr2.media.pictures.tags.picture_tags import PictureTags

# A segment of a JPEG without its length and its name.
_SEGMENT = 65_533
_XMP_NAME, _RESOURCES_NAME = 29, 14


def fitted(tags: PictureTags, result: str, width: int, height: int) -> tuple[PictureTags, list[str]]:
    """Tags for a picture of that size, upright.

    Args:
        result: `png`, `jpg`, `webp`, `tiff` or `gif`.

    Returns:
        What to write, and a sentence on each thing that is left out.
    """
    told = set(tags.present())
    tags = tags.with_size(width, height)
    if result != "png":
        tags, unsaid = _as_profile(tags)
        told |= unsaid
    if result == "webp" and tags.dpi:
        tags = replace(tags, exif=with_resolution(tags.exif, tags.dpi))
    if result == "jpg":
        tags, long = _in_segments(tags)
        told |= {"long_segment"} if long else set()
    return tags, left_out(told, result)


def _as_profile(tags: PictureTags) -> tuple[PictureTags, set[str]]:
    """With a profile in place of numbers, and what could not be said so."""
    if tags.cicp:
        # Where both are there, the numbers count: so the standard of PNG has it.
        profile = profile_of_cicp(tags.cicp)
        if profile:
            return replace(tags, icc=profile), set()
        return tags, set() if tags.icc or "hdr" in tags.present() else {"odd_color"}
    chunks = dict(tags.color_chunks)
    if tags.icc or b"sRGB" in chunks:
        return tags, set()
    return replace(tags, icc=profile_of_chunks(chunks)), set()


def _in_segments(tags: PictureTags) -> tuple[PictureTags, bool]:
    """Without what is too long for a segment, and whether anything was."""
    kept = replace(
        tags,
        exif=_short(tags.exif, _SEGMENT),
        xmp=_short(tags.xmp, _SEGMENT - _XMP_NAME),
        resources=_short(tags.resources, _SEGMENT - _RESOURCES_NAME),
        comment=_short(tags.comment, _SEGMENT),
    )
    return kept, kept != tags


def _short(data: bytes | None, longest: int) -> bytes | None:
    return data if data and len(data) <= longest else None
