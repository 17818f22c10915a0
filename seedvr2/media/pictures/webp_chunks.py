"""The chunks of a WebP file, and its length stated as it is."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from seedvr2.media.pictures.png_chunks import Chunk
from seedvr2.media.pictures.spliced import splice

_PIXELS = frozenset((b"VP8 ", b"VP8L", b"ANMF"))


def is_webp(head: bytes) -> bool:
    """Whether a file that begins like this is a WebP."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def read_webp_chunks(file: BinaryIO) -> list[Chunk]:
    """The chunks, also behind the length that the file states; none that is cut off."""
    end = file.seek(0, os.SEEK_END)
    found, position = [], 12
    while position + 8 <= end:
        file.seek(position)
        kind, length = struct.unpack("<4sI", file.read(8))
        if position + 8 + length > end or not kind.strip().isalnum():
            break
        found.append(Chunk(kind, position + 8, length))
        position += 8 + length + length % 2
    return found


def states_another_length(file: BinaryIO) -> bool:
    """Whether decoders would refuse a file for its stated length alone."""
    file.seek(4)
    stated = int.from_bytes(file.read(4), "little")
    chunks = [chunk for chunk in read_webp_chunks(file) if chunk.kind in _PIXELS]
    if not chunks:
        return False
    if stated + 8 < chunks[-1].offset + chunks[-1].length:
        return True
    # Of an animation that ends too early, frames are missing.
    return stated + 8 > file.seek(0, os.SEEK_END) and chunks[-1].kind != b"ANMF"


def with_own_length(file: BinaryIO) -> BinaryIO:
    """The file with the length that its whole chunks have."""
    chunks = read_webp_chunks(file)
    length = max(chunk.offset + chunk.length + chunk.length % 2 for chunk in chunks)
    padding = b"\0" if length > file.seek(0, os.SEEK_END) else b""
    return splice(file, [b"RIFF" + struct.pack("<I", length - 8), (8, length - 8 - len(padding)), padding])
