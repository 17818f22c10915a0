"""What the first directory of a TIFF carries beside its pixels."""

from __future__ import annotations

from typing import Any

from PIL import Image, TiffTags

from seedvr2.media.pictures.tags import photoshop
from seedvr2.media.pictures.tags.exif import C2PA, GEOTIFF, PHOTOSHOP_LAYERS
from seedvr2.media.pictures.tags.picture_tags import PictureTags

XMP, IPTC, RESOURCES = 700, 33723, 34377


def read_tiff_tags(image: Image.Image) -> PictureTags:
    """What Pillow does not tell of a TIFF that it has opened. Raises one of `exif.BROKEN`."""
    directory: Any = getattr(image, "tag_v2", {})
    resources = photoshop.kept_resources(_raw(directory, RESOURCES) or b"") or b""
    iptc = _raw(directory, IPTC)
    if iptc and photoshop.iptc_of(resources) is None:
        resources += photoshop.of_iptc(iptc)
    items = {
        key
        for key, tags in (("layers", PHOTOSHOP_LAYERS), ("geotiff", GEOTIFF), ("c2pa", (C2PA,)))
        if any(tag in directory for tag in tags)
    }
    # The end that a text has in a TIFF is none of XMP's.
    xmp = (_raw(directory, XMP) or b"").rstrip(b"\0") or None
    return PictureTags(xmp=xmp, resources=resources or None, items=frozenset(items))


def _raw(directory: Any, tag: int) -> bytes | None:
    """The bytes of a tag as they stand in the file: some programs say that they are text, or numbers of four bytes."""
    if tag not in directory:
        return None
    # Of numbers where one is expected, Pillow would give the first.
    directory.tagtype[tag] = TiffTags.UNDEFINED
    value = directory[tag]
    return value if isinstance(value, bytes) and value else None
