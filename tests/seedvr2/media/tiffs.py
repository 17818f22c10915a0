"""TIFF files made tag by tag, in either byte order, with pages and pictures below them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_LAYOUTS = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q"}


@dataclass
class Page:
    """A directory: values by tag (bytes are type 7 unless said), its pixels, and its SubIFDs."""

    tags: Mapping[int, int | bytes | tuple[int, ...]]
    pixels: bytes = b""
    sub: Sequence[Page] = field(default=())
    types: Mapping[int, int] = field(default_factory=dict)


def rgb_page(width: int, height: int, color: tuple[int, int, int], sub: Sequence[Page] = (), **more: object) -> Page:
    """A page of one colour; more tags as `t254=1`."""
    tags = {256: width, 257: height, 258: (8, 8, 8), 259: 1, 262: 2, 277: 3, 278: height, 284: 1}
    tags |= {int(name[1:]): value for name, value in more.items()}  # type: ignore[misc]
    return Page(tags, bytes(color) * (width * height), sub)


def sensor_page(width: int, height: int, photometric: int = 32803) -> Page:
    """What a sensor measured: 16 bits of one colour each, in a pattern of two by two."""
    tags = {254: 0, 256: width, 257: height, 258: 16, 259: 1, 262: photometric, 277: 1, 278: height, 33421: (2, 2)}
    return Page(tags, bytes(2 * width * height))


def tiff_file(pages: Sequence[Page], order: str = "<", big: bool = False, magic: bytes = b"") -> bytes:
    """The file. `order`: `<` or `>`. `magic`: what it begins with instead."""
    mark = b"II" if order == "<" else b"MM"
    word = "Q" if big else "I"
    head = mark + struct.pack(f"{order}H", 43 if big else 42)
    if big:
        head += struct.pack(f"{order}HH", 8, 0)
    body = bytearray((magic or head) + bytes(8 if big else 4))
    place_of_offset = len(body) - (8 if big else 4)
    for page in pages:
        offset, place = _write(body, page, order, big)
        struct.pack_into(f"{order}{word}", body, place_of_offset, offset)
        place_of_offset = place
    return bytes(body)


def _write(body: bytearray, page: Page, order: str, big: bool) -> tuple[int, int]:
    """Where the directory is, and where the offset of the next one goes."""
    tags: dict[int, int | bytes | tuple[int, ...]] = dict(page.tags)
    if page.pixels:
        tags[273], tags[279] = len(body), len(page.pixels)
        body += page.pixels
    if page.sub:
        tags[330] = tuple(_write(body, each, order, big)[0] for each in page.sub)
    word, wide = ("Q", 8) if big else ("I", 4)
    entries = b""
    for tag, value in sorted(tags.items()):
        kind = page.types.get(tag, 7 if isinstance(value, bytes) else 4 if tag in (273, 279, 330) else 3)
        values = tuple(value) if isinstance(value, bytes) else value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"{order}{len(values)}{_LAYOUTS[kind]}", *values)
        if len(packed) > wide:
            body += bytes(len(body) % 2)
            packed, place = struct.pack(f"{order}{word}", len(body)), packed
            body += place
        entries += struct.pack(f"{order}HH{word}", tag, kind, len(values)) + packed.ljust(wide, b"\0")
    body += bytes(len(body) % 2)
    offset = len(body)
    body += struct.pack(f"{order}{'Q' if big else 'H'}", len(tags)) + entries + bytes(wide)
    return offset, len(body) - wide
