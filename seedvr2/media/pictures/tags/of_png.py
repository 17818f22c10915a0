"""What the chunks of a PNG carry beside its pixels."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

from seedvr2.media.pictures import png_chunks
from seedvr2.media.pictures.tags.photoshop import kept_resources, of_iptc
from seedvr2.media.pictures.tags.picture_tags import PictureTags

XMP, RAW_PROFILE = b"XML:com.adobe.xmp", b"Raw profile type "
# More than this other readers refuse: the result would not be read.
_LONGEST_TEXT, _LONGEST_TEXTS, _LONGEST_PROFILE = 1 << 20, 16 << 20, 8_000_000
_INCH = 0.0254
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_COLORS = frozenset((b"gAMA", b"cHRM", b"sRGB", b"mDCV", b"cLLI"))
# As they were spelled before the standard was finished.
_EARLY = {b"mDCv": b"mDCV", b"cLLi": b"cLLI"}
# What is said of how the file is stored, when it was written, or what a screen shows behind it.
_OF_THE_FILE = frozenset(
    (*png_chunks.FOR_DECODERS, b"bKGD", b"hIST", b"sBIT", b"sPLT", b"tIME", b"iDOT", b"vpAg", b"orNT")
)


def read_png_tags(path: Path) -> PictureTags:
    """Raises one of `exif.BROKEN`."""
    tags, room = PictureTags(), _LONGEST_TEXTS
    with path.open("rb") as file:
        for chunk in png_chunks.read_chunks(file):
            kind = _EARLY.get(chunk.kind, chunk.kind)
            if kind in _OF_THE_FILE:
                continue
            if kind in _TEXTS:
                room -= chunk.length
                fits = chunk.length <= _LONGEST_TEXT and room >= 0
                tags = _with_text(tags, kind, chunk.read(file)) if fits else _with(tags, "long_text")
            elif chunk.length > _LONGEST_PROFILE:
                tags = _with(tags, "long_icc" if kind == b"iCCP" else "app_data")
            else:
                tags = _with_chunk(tags, kind, chunk.read(file))
    return tags


def unpacked(kind: bytes, data: bytes) -> tuple[bytes, bytes | None]:
    """Keyword and text of a text chunk; no text if it is too long, or damaged."""
    keyword, _, rest = data.partition(b"\0")
    if kind == b"tEXt":
        return keyword, rest
    if kind == b"zTXt":
        return keyword, _inflated(rest[1:], _LONGEST_TEXT)
    packed, rest = rest[:1], rest[2:]
    # Behind the language and the keyword in that language.
    text = rest.split(b"\0", 2)[-1]
    return keyword, _inflated(text, _LONGEST_TEXT) if packed == b"\1" else text


def _with(tags: PictureTags, item: str) -> PictureTags:
    return replace(tags, items=tags.items | {item})


def _with_text(tags: PictureTags, kind: bytes, data: bytes) -> PictureTags:
    keyword, text = unpacked(kind, data)
    if text is None:
        return _with(tags, "long_text")
    if keyword == XMP:
        return replace(tags, xmp=text)
    raw = _raw_profile(text) if keyword.startswith(RAW_PROFILE) else None
    if raw is None:
        return replace(tags, texts=(*tags.texts, (kind, data)))
    name = keyword.removeprefix(RAW_PROFILE)
    if name in (b"exif", b"APP1") and raw.startswith(b"Exif\0\0"):
        return replace(tags, exif=tags.exif or raw)
    if name == b"xmp":
        return replace(tags, xmp=tags.xmp or raw)
    if name in (b"iptc", b"8bim"):
        return replace(tags, resources=kept_resources(raw) or of_iptc(raw))
    return replace(tags, icc=tags.icc or raw) if name in (b"icc", b"icm") else _with(tags, "app_data")


def _with_chunk(tags: PictureTags, kind: bytes, data: bytes) -> PictureTags:
    if kind in _COLORS:
        return replace(tags, color_chunks=(*tags.color_chunks, (kind, data)))
    if kind == b"iCCP":
        profile = _inflated(data[data.index(b"\0") + 2 :], _LONGEST_PROFILE)
        return replace(tags, icc=profile) if profile else _with(tags, "long_icc")
    if kind == b"cICP" and len(data) == 4:
        return replace(tags, cicp=(data[0], data[1], data[2], data[3]))
    if kind == b"pHYs":
        x, y, unit = struct.unpack(">IIB", data)
        return replace(tags, dpi=(x * _INCH, y * _INCH)) if unit == 1 and x * y > (1 / _INCH) ** 2 else tags
    if kind == b"eXIf":
        return replace(tags, exif=b"Exif\0\0" + data)
    return _with(tags, "c2pa" if kind == b"caBX" else "app_data")


def _inflated(data: bytes, longest: int) -> bytes | None:
    unpacker = zlib.decompressobj()
    try:
        result = unpacker.decompress(data, longest)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail or not unpacker.eof else result


def _raw_profile(text: bytes) -> bytes | None:
    """A profile as ImageMagick writes it: its name, its length and its bytes in hexadecimal, a line each."""
    parts = text.split(None, 2)
    try:
        return bytes.fromhex(b"".join(parts[2].split()).decode("ascii"))
    except (IndexError, ValueError):
        return None
