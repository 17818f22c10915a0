"""Other containers of video: how far each of them says that it reaches."""

from __future__ import annotations

import math
import struct

from seedvr2.media.extents.extent import MAX_STEPS, SILENT, Bytes, Extent

_RIFF = (b"AVI ", b"AVIX", b"WEBP", b"CDXA", b"AMV ")
_UNKNOWN = (0, 0xFFFFFFFF)
# Writers differ in whether a head and a byte of padding count.
_SLACK = 9
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEAD, _BROADCAST = 64 * 1024, 1
_FLV_TAGS = (8, 9, 18)
_OGG_PAGE = 65307
_PACKETS = ((188, 0), (192, 4), (204, 0))
_MXF_HEADER = bytes.fromhex("060e2b34020501010d01020101")
_MXF_PACK = 11
# Bytes of a frame of DV at 25 Mbit/s, of 525 and of 625 lines; at 50 there are twice as many.
_DV_525, _DV_625 = 120_000, 144_000


def riff(data: Bytes, head: bytes) -> Extent | None:
    """AVI and WebP: one RIFF chunk, or several for a long AVI (OpenDML)."""
    if head[:4] != b"RIFF" or head[8:12] not in _RIFF:
        return None
    offset = 0
    for _ in range(MAX_STEPS):
        head = data.at(offset, 12)
        if head[:4] != b"RIFF" or head[8:12] not in _RIFF:
            break
        size = int.from_bytes(head[4:8], "little")
        if size in _UNKNOWN:
            break
        offset += 8 + size + size % 2
        if offset > data.size + _SLACK:
            return Extent(offset)
    return SILENT


def asf(data: Bytes, head: bytes) -> Extent | None:
    """WMV and ASF state their size, unless they were broadcast."""
    if head != _ASF_HEADER:
        return None
    offset = 0
    for _ in range(MAX_STEPS):
        size = int.from_bytes(data.at(offset + 16, 8), "little")
        if size < 24:
            break
        offset += size
        if offset > data.size:
            return Extent(offset)
    found = data.at(0, _ASF_HEAD)
    place = found.find(_ASF_FILE)
    if place < 0 or len(found) < place + 92:
        return SILENT
    stated, flags = struct.unpack_from("<Q", found, place + 40)[0], struct.unpack_from("<I", found, place + 88)[0]
    return SILENT if flags & _BROADCAST else Extent(stated)


def flv(data: Bytes, head: bytes) -> Extent | None:
    """FLV may state its size among its tags, and each tag is followed by its length."""
    if head[:3] != b"FLV":
        return None
    first = data.at(0, 4096)
    place = first.find(b"\0\x08filesize\0")
    if place >= 0 and len(first) >= place + 19:
        (stated,) = struct.unpack_from(">d", first, place + 11)
        if math.isfinite(stated) and stated > data.size:
            return Extent(int(stated))
    length = int.from_bytes(data.tail(4), "big")
    tag = data.at(data.size - 4 - length, 4)
    whole = len(tag) == 4 and tag[0] & 0x1F in _FLV_TAGS and int.from_bytes(tag[1:], "big") + 11 == length
    return SILENT if whole else Extent(missing="it ends within a tag")


def ogg(data: Bytes, head: bytes) -> Extent | None:
    """The last page of an Ogg file is whole, and marked as the last."""
    if head[:4] != b"OggS":
        return None
    tail = data.tail(2 * _OGG_PAGE)
    place = tail.rfind(b"OggS")
    if place < 0 or len(tail) < place + 27 or len(tail) < place + 27 + tail[place + 26]:
        return Extent(missing="it ends within a page")
    segments = tail[place + 27 : place + 27 + tail[place + 26]]
    if place + 27 + len(segments) + sum(segments) > len(tail):
        return Extent(missing="it ends within a page")
    return SILENT if tail[place + 5] & 4 else Extent(missing="its last page, which is marked as such, is not there")


def transport_stream(data: Bytes, head: bytes) -> Extent | None:
    """MPEG-TS is a row of packets of the same length."""
    del head
    begin = data.at(0, 4 * 204)
    for length, sync in _PACKETS:
        marks = begin[sync : sync + 3 * length + 1 : length]
        if marks == b"GGGG" or (len(marks) >= 2 and set(marks) == {0x47} and data.size < 4 * length):
            return Extent(missing="it ends within a packet") if data.size % length else SILENT
    return None


def mxf(data: Bytes, head: bytes) -> Extent | None:
    """MXF states where its footer is, once it is closed."""
    if not head.startswith(_MXF_HEADER):
        return None
    first = data.at(16, 1)
    width = 1 + (first[0] & 0x7F) if first and first[0] & 0x80 else 1
    pack = data.at(16 + width, 32)
    if len(pack) < 32 or width > _MXF_PACK:
        return SILENT
    (footer,) = struct.unpack_from(">Q", pack, 24)
    return Extent(footer + 16 if footer else 0)


def real_media(data: Bytes, head: bytes) -> Extent | None:
    """RealMedia is a row of chunks with their sizes in front."""
    if head[:4] != b".RMF":
        return None
    offset = 0
    for _ in range(MAX_STEPS):
        size = int.from_bytes(data.at(offset + 4, 4), "big")
        if size < 8:
            break
        offset += size
        if offset > data.size:
            return Extent(offset)
    return SILENT


def digital_video(data: Bytes, head: bytes) -> Extent | None:
    """Raw DV is a row of frames of the same length."""
    if head[:3] != b"\x1f\x07\0" or len(head) < 4:
        return None
    frame = _DV_625 if head[3] & 0x80 else _DV_525
    return Extent(missing="it ends within a frame") if data.size % frame else SILENT
