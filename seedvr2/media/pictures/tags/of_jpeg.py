"""What the segments of a JPEG carry beside its pixels, and what follows its end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from PIL import Image

from seedvr2.media.pictures.jpeg_segments import COM, EOI, read_segments
from seedvr2.media.pictures.tags import photoshop, xmp
from seedvr2.media.pictures.tags.picture_tags import PictureTags

XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
_APP = range(0xE0, 0xF0)
# What is made anew, says how the pixels are stored, or is read elsewhere.
_KNOWN = {
    0xE0: (b"JFIF", b"JFXX", b"AVI1"),
    0xE1: (b"Exif\0", XMP, _MORE_XMP),
    0xE2: (b"ICC_PROFILE\0", b"MPF\0", _GAIN_MAP),
    0xEC: (b"Ducky",),
    0xED: (photoshop.HEADER,),
    0xEE: (b"Adobe",),
}
_VIDEO = re.compile(rb"ftyp(?:isom|iso\d|mp4\d|mp42|qt  |MSNV|M4V |avc1|hvc1)|MotionPhoto_Data|mpvd")
# Kinds of a file's further pictures, in Pillow's words, that are copies of the first for small screens.
_SMALLER = "Large Thumbnail"


def read_jpeg_tags(path: Path, image: Image.Image) -> PictureTags:
    """What Pillow does not tell of a JPEG that it has opened. Raises one of `exif.BROKEN`."""
    data = path.read_bytes()
    packet, comment, resources, items, end = None, None, b"", set(), len(data)
    for segment in read_segments(data):
        body = data[segment.start : segment.end]
        if segment.marker == EOI:
            end = segment.end
        elif segment.marker == COM:
            comment = comment or body.rstrip(b"\0")
        elif segment.marker in _APP and not body.startswith(_KNOWN.get(segment.marker, ())):
            items.add("c2pa" if segment.marker == 0xEB and b"c2pa" in body else "app_data")
        elif body.startswith(XMP):
            packet = packet or body.removeprefix(XMP)
        elif body.startswith(_MORE_XMP):
            items.add("more_xmp")
            if xmp.tells_depth(body):
                items.add("depth_map")
        elif body.startswith(photoshop.HEADER):
            resources += body.removeprefix(photoshop.HEADER)
        elif body.startswith(_GAIN_MAP):
            items.add("gain_map")
    items |= _behind_the_end(data[end:], image)
    return PictureTags(
        xmp=packet, comment=comment, resources=photoshop.kept_resources(resources), items=frozenset(items)
    )


def _behind_the_end(rest: bytes, image: Image.Image) -> set[str]:
    items = set()
    if _VIDEO.search(rest):
        items.add("motion_video")
    if xmp.tells_gain_map(rest) or _GAIN_MAP in rest:
        items.add("gain_map")
    mpf: Any = getattr(image, "mpinfo", None)
    others = [] if mpf is None else [entry["Attribute"]["MPType"] for entry in mpf[0xB002][1:]]
    if any(not kind.startswith(_SMALLER) for kind in others) and "gain_map" not in items:
        items.add("more_pictures")
    # Some cameras fill their files up to a round length.
    if not items and not others and rest.strip(b"\0\xff \r\n"):
        items.add("trailer")
    return items
