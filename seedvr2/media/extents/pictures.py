"""Pictures that say where they end: PNG, GIF, JPEG 2000. WebP is RIFF, AVIF has boxes."""

from __future__ import annotations

from seedvr2.media.extents.extent import MAX_STEPS, SILENT, Bytes, Extent

_PNG, _IEND = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_GIF = (b"GIF87a", b"GIF89a")
_CODESTREAM, _END = b"\xff\x4f\xff\x51", b"\xff\xd9"
_TAIL = 4096


def png(data: Bytes, head: bytes) -> Extent | None:
    """PNG is a row of chunks up to IEND."""
    if not head.startswith(_PNG):
        return None
    if _IEND in data.tail(_TAIL):
        return SILENT
    offset = len(_PNG)
    for _ in range(MAX_STEPS):
        chunk = data.at(offset, 8)
        if len(chunk) < 8:
            return Extent(missing="its end mark is not there")
        if chunk[4:] == b"IEND":
            return SILENT
        offset += 12 + int.from_bytes(chunk[:4], "big")
        if offset > data.size:
            return Extent(missing="it ends within its pixels" if chunk[4:] == b"IDAT" else "it ends within a part")
    return SILENT


def gif(data: Bytes, head: bytes) -> Extent | None:
    """GIF is a row of blocks up to its trailer."""
    if not head.startswith(_GIF):
        return None
    if data.tail(_TAIL).rstrip(b"\0").endswith(b"\0;"):
        return SILENT
    offset = 13 + _palette(head[10:11])
    for _ in range(MAX_STEPS):
        kind = data.at(offset, 1)
        if kind == b";":
            return SILENT
        if kind == b"!":
            offset += 2
        elif kind == b",":
            offset += 11 + _palette(data.at(offset + 9, 1))
        else:
            break
        offset = _behind_blocks(data, offset)
    return Extent(missing="its end mark is not there")


def jpeg_2000(data: Bytes, head: bytes) -> Extent | None:
    """A bare codestream of JPEG 2000 ends with a mark."""
    if not head.startswith(_CODESTREAM):
        return None
    return SILENT if _END in data.tail(_TAIL) else Extent(missing="its end mark is not there")


def _palette(flags: bytes) -> int:
    """Bytes of the palette that these flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _behind_blocks(data: Bytes, offset: int) -> int:
    """Where a row of GIF's blocks, each with its length in a byte, has ended."""
    chunk, begin = b"", offset
    for _ in range(data.size):
        if offset - begin >= len(chunk):
            begin, chunk = offset, data.at(offset, 1 << 16)
            if not chunk:
                break
        length = chunk[offset - begin]
        offset += 1 + length
        if not length:
            break
    return offset
