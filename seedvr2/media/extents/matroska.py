"""Matroska and WebM are elements within elements, each with its size or with none, as in live streams (RFC 8794)."""

from __future__ import annotations

from seedvr2.media.extents.extent import MAX_STEPS, SILENT, Bytes, Extent

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_HEAD = 12


def extent(data: Bytes, head: bytes) -> Extent | None:
    """Where the segment ends, or the last whole element of one without a size; None for other files."""
    if int.from_bytes(head[:4], "big") != _EBML:
        return None
    offset = 0
    for _ in range(MAX_STEPS):
        element = _element(data, offset)
        if element is None:
            # Its last element ends with the file, or its head is cut off.
            whole = offset == data.size
            return SILENT if whole or offset == 0 else _odd_end(data, offset)
        number, begin, size = element
        if size is not None and begin + size > data.size:
            return Extent(begin + size)
        if number == _SEGMENT and size:
            return SILENT
        # What lies within one without a size comes one after the other; some writers leave 0 in a segment.
        offset = begin + (size or 0)
    return SILENT


def _odd_end(data: Bytes, offset: int) -> Extent:
    """What follows the last element is the torn head of one, or something foreign that was put behind."""
    torn = data.size - offset < _HEAD
    return Extent(missing="it ends within an element") if torn else SILENT


def _element(data: Bytes, offset: int) -> tuple[int, int, int | None] | None:
    """Number, begin of the content and size of an element; the size is None where it is not known."""
    head = data.at(offset, _HEAD)
    if not head or not head[0]:
        return None
    length = 9 - head[0].bit_length()
    if length > 4 or len(head) <= length or not head[length]:
        return None
    number, head = int.from_bytes(head[:length], "big"), head[length:]
    width = 9 - head[0].bit_length()
    if len(head) < width:
        return None
    size = int.from_bytes(head[:width], "big") & ((1 << 7 * width) - 1)
    return number, offset + length + width, None if size == (1 << 7 * width) - 1 else size
