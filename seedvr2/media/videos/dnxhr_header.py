"""The matrix of the colours in the packets of DNxHR, which FFmpeg's encoder leaves at BT.709 (SMPTE ST 2019-1)."""

from __future__ import annotations

from typing import Any

from av.packet import Packet

from seedvr2.media.videos.color_tags import BT2020

# Where each frame says which colours it has: bits 1 and 2 are 0 for BT.709, 1 for BT.2020.
_PLACE, _MASK, _BT2020 = 0x2C, 0b110, 0b010


def with_matrix(packet: Packet[Any], matrix: int) -> Packet[Any]:
    """A packet of DNxHR whose header names the matrix, by its number of ITU-T H.273."""
    if matrix != BT2020:
        return packet
    data = bytearray(bytes(packet))
    data[_PLACE] = (data[_PLACE] & ~_MASK) | _BT2020
    result: Packet[Any] = Packet(bytes(data))
    result.pts, result.dts, result.duration = packet.pts, packet.dts, packet.duration
    result.time_base, result.is_keyframe = packet.time_base, packet.is_keyframe
    return result
