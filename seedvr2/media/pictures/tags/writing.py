"""Tags as the formats of results want them."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from seedvr2.media.pictures import png_chunks
from seedvr2.media.pictures.tags.of_png import RAW_PROFILE, XMP
from seedvr2.media.pictures.tags.photoshop import HEADER
from seedvr2.media.pictures.tags.picture_tags import PictureTags

_INCH = 0.0254
_APP13 = b"\xff\xed"
_HEX_LINE = 72


def png_with_tags(png: bytes, tags: PictureTags) -> bytes:
    """A PNG with its profile, EXIF, XMP, IPTC, texts and resolution."""
    extra: list[tuple[bytes, bytes]] = []
    if tags.cicp:
        extra.append((b"cICP", bytes(tags.cicp)))
    extra += tags.color_chunks
    if tags.icc:
        extra.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(tags.icc)))
    if tags.dpi:
        extra.append((b"pHYs", struct.pack(">IIB", *(round(value / _INCH) for value in tags.dpi), 1)))
    if tags.exif:
        extra.append((b"eXIf", tags.exif.removeprefix(b"Exif\0\0")))
    if tags.xmp:
        extra.append((b"iTXt", XMP + bytes(5) + tags.xmp))
    if tags.resources:
        extra.append((b"zTXt", RAW_PROFILE + b"iptc\0\0" + zlib.compress(_raw_profile(b"iptc", tags.resources))))
    extra += tags.texts
    if tags.comment:
        extra.append((b"iTXt", b"Comment" + bytes(5) + _utf8(tags.comment)))
    return png_chunks.insert(png, extra)


def pillow_options(tags: PictureTags, suffix: str) -> dict[str, Any]:
    """What `Image.save` of a JPEG, WebP or GIF takes."""
    options: dict[str, Any] = {"icc_profile": tags.icc, "exif": tags.exif, "xmp": tags.xmp}
    if suffix == ".jpg":
        options |= {"dpi": tags.dpi, "comment": tags.comment}
        if tags.resources:
            body = HEADER + tags.resources
            options["extra"] = _APP13 + struct.pack(">H", len(body) + 2) + body
    if suffix == ".gif":
        options = {"comment": tags.comment}
    return {key: value for key, value in options.items() if value}


def _raw_profile(name: bytes, data: bytes) -> bytes:
    """As ImageMagick writes profiles that PNG has no chunk for."""
    digits = data.hex().encode()
    lines = [digits[start : start + _HEX_LINE] for start in range(0, len(digits), _HEX_LINE)]
    return b"\n%s\n%8d\n%s\n" % (name, len(data), b"\n".join(lines))


def _utf8(text: bytes) -> bytes:
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1").encode()
    return text
