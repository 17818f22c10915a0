"""The chunks of a PNG file: what is in it, what of it a decoder needs, and adding some."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from seedvr2.media.info import MAX_PIXELS
from seedvr2.media.pictures.spliced import Part, splice

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# All else is read here, within bounds: a decoder would unpack every text, however long, and give up over it.
FOR_DECODERS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"))
_HEADER_END = len(SIGNATURE) + 25
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# First row, first column, and the steps between rows and columns of the passes of an interlaced picture.
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
_HEADER_BYTES = 13
_ZEROS = 1 << 20
# It tells which way is up.
_LONGEST_EXIF = 1 << 20


class Chunk(NamedTuple):
    """A chunk whose data are `length` bytes from `offset` on."""

    kind: bytes
    offset: int
    length: int

    def read(self, file: BinaryIO) -> bytes:
        """Its data."""
        file.seek(self.offset)
        return file.read(self.length)


def read_chunks(file: BinaryIO) -> list[Chunk]:
    """The chunks of a PNG file; the last one may be cut off."""
    end = file.seek(0, os.SEEK_END)
    found, position = [], len(SIGNATURE)
    while position + 8 <= end:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        found.append(Chunk(kind, position + 8, min(length, end - position - 8)))
        if kind == b"IEND" or not kind.isalpha():
            break
        position += length + 12
    return found


def for_decoder(file: BinaryIO, chunks: list[Chunk]) -> BinaryIO:
    """The file as decoders get it: no more than makes the picture, and only what is shown of an animation."""
    header = chunks[0].read(file) if chunks else b""
    hidden = hides_picture(chunks) and _has_size(header)
    parts: list[Part] = [SIGNATURE]
    for chunk in chunks:
        if chunk.kind not in FOR_DECODERS and not (chunk.kind == b"eXIf" and chunk.length < _LONGEST_EXIF):
            continue
        if hidden and chunk.kind == b"IDAT":
            if not any(part == b"IDAT" for part in parts):
                # The canvas that the first frame is drawn on is empty, and not the picture for other programs.
                parts += [*_spelled(b"IDAT", _blank(header))]
            continue
        parts.append((chunk.offset - 8, chunk.length + 12))
    return splice(file, parts)


def hides_picture(chunks: list[Chunk]) -> bool:
    """Whether an animated PNG has a picture for other programs that is no frame of it."""
    order = [chunk.kind for chunk in chunks if chunk.kind in (b"fcTL", b"IDAT")]
    return any(chunk.kind == b"acTL" for chunk in chunks) and b"fcTL" in order and order[0] == b"IDAT"


def has_end(chunks: list[Chunk]) -> bool:
    """Whether the file is closed as it should be."""
    return bool(chunks) and chunks[-1].kind == b"IEND"


def made(kind: bytes, data: bytes) -> bytes:
    """A chunk."""
    return b"".join(_spelled(kind, data))


def insert(png: bytes, extra: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A PNG with more chunks, (kind, data) each, right behind its header."""
    return png[:_HEADER_END] + b"".join(made(kind, data) for kind, data in extra) + png[_HEADER_END:]


def _spelled(kind: bytes, data: bytes) -> tuple[bytes, ...]:
    return struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _has_size(header: bytes) -> bool:
    """Whether a header states a size that is accepted; all others are refused whatever else is in the file."""
    if len(header) != _HEADER_BYTES:
        return False
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    return 0 < width * height <= MAX_PIXELS


@lru_cache(maxsize=2)
def _blank(header: bytes) -> bytes:
    """Compressed pixels that are all zero."""
    size = _unpacked_size(header)
    packer = zlib.compressobj(1)
    parts = [packer.compress(bytes(min(_ZEROS, size - start))) for start in range(0, size, _ZEROS)]
    return b"".join((*parts, packer.flush()))


def _unpacked_size(header: bytes) -> int:
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * _CHANNELS.get(color, 4)
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    total = 0
    for top, left, down, right in passes:
        rows, columns = -((top - height) // down), -((left - width) // right)
        if rows > 0 and columns > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total
