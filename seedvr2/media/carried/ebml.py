"""The elements at the beginning of a Matroska or WebM file (RFC 8794, RFC 9559), for what PyAV does not show of them.

    with path.open("rb") as file:
        for element in walk(file):
            if element.name == "PixelCropTop":
                rows = number(payload(file, element))

It ends at the first cluster; tracks that are described behind the clusters, where editors put them, are found by the
file's own directory. No number in the file is believed: an element ends where the one around it does, and there are
only so many.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_MOST_ELEMENTS, _MOST_DEPTH = 20_000, 12
_MOST_BYTES = 1 << 16
_EBML, _CLUSTER, _TRACKS = 0x1A45DFA3, 0x1F43B675, 0x1654AE6B
_MASTERS = {
    0x114D9B74: "SeekHead",
    0x4DBB: "Seek",
    0x18538067: "Segment",
    0x1549A966: "Info",
    _TRACKS: "Tracks",
    0xAE: "TrackEntry",
    0xE0: "Video",
    0x55B0: "Colour",
    0x55D0: "MasteringMetadata",
    0x7670: "Projection",
    0x41E4: "BlockAdditionMapping",
    0x6D80: "ContentEncodings",
    0x6240: "ContentEncoding",
    0x1043A770: "Chapters",
    0x45B9: "EditionEntry",
}
_LEAVES = {
    0x53AB: "SeekID",
    0x53AC: "SeekPosition",
    0x73C5: "TrackUID",
    0xD7: "TrackNumber",
    0x83: "TrackType",
    0x86: "CodecID",
    0xB0: "PixelWidth",
    0xBA: "PixelHeight",
    0x54AA: "PixelCropBottom",
    0x54BB: "PixelCropTop",
    0x54CC: "PixelCropLeft",
    0x54DD: "PixelCropRight",
    0x53B8: "StereoMode",
    0x53B9: "OldStereoMode",
    0x53C0: "AlphaMode",
    0x7671: "ProjectionType",
    0x7672: "ProjectionPrivate",
    0x7673: "ProjectionPoseYaw",
    0x7674: "ProjectionPosePitch",
    0x7675: "ProjectionPoseRoll",
    0x41F0: "BlockAddIDValue",
    0x41A4: "BlockAddIDName",
    0x41E7: "BlockAddIDType",
    0x41ED: "BlockAddIDExtraData",
    0x55BC: "MaxCLL",
    0x55BD: "MaxFALL",
    0x5033: "ContentEncodingType",
    0x5035: "ContentEncryption",
    0x45DD: "EditionFlagOrdered",
    0x3CB923: "PrevUUID",
    0x3EB923: "NextUUID",
}


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a file.

    Attributes:
        path: the names from the outermost element to this one, `("Segment", "Tracks", "TrackEntry", "CodecID")`;
            what is not known here is called by its ID in hexadecimal.
        offset, size: of its data in the file, in bytes; `size` never reaches beyond the element around it.
        track: which entry of the tracks it is in, from 1, which is PyAV's `stream.index + 1`; 0 outside of them.
    """

    path: tuple[str, ...]
    offset: int
    size: int
    track: int = 0

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path[-1]


def walk(file: BinaryIO) -> Iterator[Element]:
    """All elements but those of clusters, each before what is in it; none of a file that is something else.

    Reading the file between two of them does no harm.
    """
    end = file.seek(0, os.SEEK_END)
    head = _header(file, 0, end)
    if head is None or head[0] != _EBML:
        return
    walker = _Walker(file)
    yield from walker.inside(Element((), head[1] + head[2], max(0, end - head[1] - head[2])))


def payload(file: BinaryIO, element: Element, most: int = _MOST_BYTES) -> bytes:
    """What an element holds, up to `most` bytes of it; fewer than its size where the file ends early."""
    file.seek(element.offset)
    return file.read(min(element.size, most))


def number(data: bytes) -> int:
    """An unsigned integer; 0 of no bytes, as the format has it."""
    return int.from_bytes(data[:8], "big")


def real(data: bytes) -> float:
    """A floating-point number; 0 if it has neither 4 nor 8 bytes."""
    layout = {4: ">f", 8: ">d"}.get(len(data))
    return float(struct.unpack(layout, data)[0]) if layout else 0.0


class _Walker:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._count = 0
        self._tracks = 0
        self._sought = 0  # the ID in the entry of the directory that is being read
        self._behind: int | None = None  # where the directory has the tracks

    def inside(self, parent: Element) -> Iterator[Element]:
        place, end = parent.offset, parent.offset + parent.size
        while (head := _header(self._file, place, end)) and self._count < _MOST_ELEMENTS:
            identity, offset, size = head
            self._count += 1
            if identity == _CLUSTER:
                if self._tracks or self._behind is None or parent.offset + self._behind <= place:
                    return
                # Once: what is there must be the tracks, and they are behind this cluster.
                place, self._behind = parent.offset + self._behind, None
                continue
            name = _MASTERS.get(identity) or _LEAVES.get(identity) or f"{identity:X}"
            self._tracks += name == "TrackEntry"
            element = Element(
                (*parent.path, name), offset, size, self._tracks if name == "TrackEntry" else parent.track
            )
            self._note(element)
            yield element
            if identity in _MASTERS and len(element.path) < _MOST_DEPTH:
                yield from self.inside(element)
            place = offset + size

    def _note(self, element: Element) -> None:
        """Remember what the directory says of the tracks."""
        if element.name == "SeekID":
            self._sought = number(payload(self._file, element, 8))
        elif element.name == "SeekPosition" and self._sought == _TRACKS:
            self._behind = number(payload(self._file, element, 8))


def _header(file: BinaryIO, place: int, end: int) -> tuple[int, int, int] | None:
    """ID, offset of the data and its size, at most up to `end`; None where no element begins."""
    if place >= end:
        return None
    file.seek(place)
    head = file.read(min(12, end - place))
    width = _width(head, 4)
    if not width or not (length := _width(head[width:], 8)):
        return None
    identity = int.from_bytes(head[:width], "big")
    mask = (1 << 7 * length) - 1
    size = int.from_bytes(head[width : width + length], "big") & mask
    offset = place + width + length
    # All ones: until its parent ends, as a live recording has it.
    return identity, offset, max(0, end - offset) if size == mask else min(size, max(0, end - offset))


def _width(data: bytes, most: int) -> int:
    """How many bytes a number of variable length has, by its first one; 0 if it is cut off or too long."""
    width = 9 - data[0].bit_length() if data and data[0] else 0
    return width if width <= min(most, len(data)) else 0
