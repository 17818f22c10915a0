"""Closed captions within the pictures, from decoded frames into packets (ATSC A/53-4, ITU-T H.264 and H.265)."""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction
from typing import Any

from av.packet import Packet

_COUNTRY, _PROVIDER, _IDENTIFIER, _KIND = b"\xb5", b"\x00\x31", b"GA94", b"\x03"
_REGISTERED = 4
# By the codec: what a unit of supplemental information begins with.
_HEADS = {"h264": b"\x06", "hevc": b"\x4e\x01"}
_MOST_TRIPLETS = 31
# The frames that an encoder holds back.
_MOST_WAITING = 512


class CaptionWriter:
    """Puts captions in front of the packets of the frames that they came with.

    Attributes:
        lost: whether there were some that packets of that codec do not get.
    """

    def __init__(self, codec: str) -> None:
        """`codec`: of the packets, by FFmpeg's name."""
        self._head = _HEADS.get(codec, b"")
        self._waiting: OrderedDict[Fraction, bytes] = OrderedDict()
        self.lost = False

    def take(self, time: Fraction, captions: bytes) -> None:
        """Keep the captions of the frame shown at that time in seconds; `captions`: triplets of bytes, or none."""
        if captions and not self._head:
            self.lost = True
        elif captions:
            self._waiting[time] = captions
            while len(self._waiting) > _MOST_WAITING:
                self._waiting.popitem(last=False)

    def with_captions(self, packet: Packet[Any]) -> Packet[Any]:
        """The packet, or one with the captions that wait for its time; its units must have start codes."""
        captions = self._waiting.pop(packet.pts * packet.time_base, b"") if packet.pts is not None else b""
        if not captions:
            return packet
        result: Packet[Any] = Packet(_unit(self._head, captions) + bytes(packet))
        result.pts, result.dts, result.duration = packet.pts, packet.dts, packet.duration
        result.time_base, result.is_keyframe = packet.time_base, packet.is_keyframe
        return result


def _unit(head: bytes, captions: bytes) -> bytes:
    """A unit of supplemental information, with its start code."""
    count = min(len(captions) // 3, _MOST_TRIPLETS)
    data = _COUNTRY + _PROVIDER + _IDENTIFIER + _KIND + bytes([0x40 | count, 0xFF]) + captions[: 3 * count] + b"\xff"
    message = bytes([_REGISTERED, len(data)]) + data + b"\x80"
    return b"\0\0\0\1" + head + _escaped(message)


def _escaped(data: bytes) -> bytes:
    """The bytes, so that no start code is among them."""
    result, zeros = bytearray(), 0
    for value in data:
        if zeros >= 2 and value <= 3:
            result.append(3)
            zeros = 0
        result.append(value)
        zeros = zeros + 1 if value == 0 else 0
    return bytes(result)
