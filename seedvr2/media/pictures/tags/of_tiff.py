"""What the first directory of a TIFF carries beside its pixels."""

from __future__ import annotations

import struct
from typing import Any

from PIL import Image

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
    return PictureTags(xmp=_raw(directory, XMP), resources=resources or None, items=frozenset(items))


def _raw(directory: Any, tag: int) -> bytes | None:
    """The bytes of a tag, which some programs write as numbers of four bytes."""
    value = directory.get(tag)
    if isinstance(value, (int, tuple)):
        numbers = value if isinstance(value, tuple) else (value,)
        order = ">" if directory.prefix == b"MM" else "<"
        large = max(numbers) > 255
        value = struct.pack(f"{order}{len(numbers)}{'I' if large else 'B'}", *numbers)
    if isinstance(value, str):
        value = value.encode("latin-1", "replace")
    return value or None
