"""What a packet of WebM has beside its data, such as the transparency of VP9, to bytes and back.

PyAV can hand such side data from one packet to the next, but not make it of bytes; FFmpeg's reader of Matroska can.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import av
from av.packet import Packet

_KIND: Final = "matroska_block_additional"
_ID_BYTES = 8


def addition_of(packet: Packet[Any]) -> bytes:
    """The addition of a packet, with the eight bytes of its number; empty if there is none."""
    return bytes(packet.get_sidedata(_KIND)) if packet.has_sidedata(_KIND) else b""


def add_to(packet: Packet[Any], addition: bytes) -> None:
    """Give a packet the addition that `addition_of` read from another."""
    with av.open(BytesIO(_file(addition)), "r", format="matroska") as container:
        for carrier in container.demux(video=0):
            if carrier.has_sidedata(_KIND):
                packet.set_sidedata(carrier.get_sidedata(_KIND))
                return
    raise ValueError("an addition to a packet was lost")


def _file(addition: bytes) -> bytes:
    """A whole Matroska file with one block, which has that addition (RFC 9559, section 5)."""
    number, content = addition[:_ID_BYTES].lstrip(b"\0"), addition[_ID_BYTES:]
    video = _element("e0", _element("b0", b"\x10"), _element("ba", b"\x10"))
    track = [_element("d7", b"\1"), _element("73c5", b"\1"), _element("83", b"\1"), _element("55ee", number)]
    tracks = _element("1654ae6b", _element("ae", *track, _element("86", b"V_UNCOMPRESSED"), video))
    more = _element("75a1", _element("a6", _element("ee", number), _element("a5", content)))
    # Track 1, at no time, a key frame of one byte.
    cluster = _element("1f43b675", _element("e7", b"\0"), _element("a0", _element("a1", b"\x81\0\0\0\0"), more))
    return _element("1a45dfa3", _element("4282", b"matroska")) + _element("18538067", tracks, cluster)


def _element(number: str, *content: bytes) -> bytes:
    data = b"".join(content)
    return bytes.fromhex(number) + (len(data) | 1 << 56).to_bytes(8, "big") + data
