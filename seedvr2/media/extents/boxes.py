"""Files of ISO 14496-12 (MP4, MOV, 3GP, AVIF) and of JPEG 2000 are a row of boxes, each with its size in front."""

from __future__ import annotations

from seedvr2.media.extents.extent import MAX_STEPS, SILENT, Bytes, Extent

_FIRST = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"sidx", b"jP  ")
# Where everything is in the file: without it nothing can be decoded. `jp2h` and `jxlc` begin pictures that have none.
_INDEX = (b"moov", b"meta", b"moof", b"jp2h", b"jxlc", b"jxlp")
# What may well be cut off. Anything else that reaches too far behind a whole index may be no box at all.
_CUT = (b"mdat", b"moov", b"moof", b"mfra", b"free", b"skip", b"uuid", b"udta", b"meta", b"sidx", b"wide")
_WITHIN = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_OFFSETS = {b"stco": 4, b"co64": 8}
_MAX_CHUNKS = 1 << 28


def extent(data: Bytes, head: bytes) -> Extent | None:
    """Where the last box ends; None for other files."""
    if head[4:8] not in _FIRST:
        return None
    offset, open_end, moov = 0, False, (0, 0)
    seen: set[bytes] = set()
    for _ in range(MAX_STEPS):
        box = _box(data, offset)
        if box is None:
            break
        kind, begin, end = box
        whole = bool(seen & set(_INDEX)) and b"mdat" in seen
        if end == 0 and kind == bytes(4) and not whole:
            return Extent(missing=f"from byte {offset} on it holds zeros, which are still to be filled")
        if not _is_name(kind) or (end > data.size and whole and kind not in _CUT):
            # Whatever was put behind it.
            break
        seen.add(kind)
        if kind == b"moov":
            moov = (begin, end or data.size)
        open_end = end == 0
        if open_end:
            break
        if end > data.size:
            return Extent(end)
        offset = end
    else:
        return SILENT
    if not seen & set(_INDEX):
        return Extent(missing="its index, which such files have at their end, is not there")
    return Extent(_furthest_chunk(data, *moov) if open_end else 0)


def _box(data: Bytes, offset: int) -> tuple[bytes, int, int] | None:
    """Type, begin of the content and end of a box; its end is 0 where it reaches to that of the file."""
    head = data.at(offset, 16)
    if len(head) < 8:
        return None
    size, kind, begin = int.from_bytes(head[:4], "big"), head[4:8], offset + 8
    if size == 1:
        size, begin = int.from_bytes(head[8:16], "big"), offset + 16
        if len(head) < 16:
            return kind, begin, begin
    if size == 0:
        return kind, begin, 0
    return (kind, begin, offset + size) if offset + size >= begin else None


def _is_name(kind: bytes) -> bool:
    return all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in kind)


def _furthest_chunk(data: Bytes, begin: int, end: int) -> int:
    """The last offset in the index, which must lie within the file."""
    furthest, ways = 0, [(begin, min(end, data.size))]
    for _ in range(MAX_STEPS):
        if not ways:
            break
        offset, stop = ways.pop()
        box = _box(data, offset) if offset < stop else None
        if box is None or not box[2]:
            continue
        kind, inner, after = box
        ways.append((after, stop))
        if kind in _WITHIN:
            ways.append((inner, min(after, stop)))
        elif kind in _OFFSETS:
            width, count = _OFFSETS[kind], int.from_bytes(data.at(inner + 4, 4), "big")
            if 0 < count < _MAX_CHUNKS:
                last = data.at(inner + 8 + (count - 1) * width, width)
                furthest = max(furthest, int.from_bytes(last, "big") + 1 if last else 0)
    return furthest
