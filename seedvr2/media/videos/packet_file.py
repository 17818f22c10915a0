"""Packets of an encoder in a file of their own, exactly as they came.

No container keeps them so: mp4 writes delays as edit lists and durations as differences, Matroska rounds to
milliseconds. One file is one stretch of a video, which begins with a key frame.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from av.packet import Packet

from seedvr2.media.videos.block_additions import add_to, addition_of

_MAGIC = b"seedvr2 packets 1\n"
_HEAD = struct.Struct("<I")
# Time of presentation, duration, key frame or not, bytes, bytes of the addition.
_PACKET = struct.Struct("<qqBII")


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a file says of its packets: the unit of their times in seconds, and the headers of the encoder."""

    time_base: Fraction
    headers: bytes


@dataclass(frozen=True, slots=True)
class Coded:
    """A packet: when it is shown and how long, in units of the stretch.

    `data` and `addition` (`block_additions.py`) are empty where they were not asked for.
    """

    pts: int
    duration: int
    key: bool
    data: bytes = b""
    addition: bytes = b""

    def packet(self, time_base: Fraction, dts: int) -> Packet[Any]:
        """For a muxer, to be decoded at `dts`."""
        packet: Packet[Any] = Packet(self.data)
        packet.pts, packet.dts, packet.duration = self.pts, dts, self.duration
        packet.time_base, packet.is_keyframe = time_base, self.key
        if self.addition:
            add_to(packet, self.addition)
        return packet


class PacketWriter:
    """Writes such a file."""

    def __init__(self, file: BinaryIO, stretch: Stretch) -> None:
        """Raises OSError."""
        self._file = file
        base = stretch.time_base
        head = json.dumps({"time_base": [base.numerator, base.denominator], "headers": stretch.headers.hex()})
        file.write(_MAGIC + _HEAD.pack(len(head)) + head.encode("ascii"))

    def add(self, packets: Sequence[Packet[Any]]) -> None:
        """Append packets. Raises OSError."""
        for packet in packets:
            assert packet.pts is not None
            data, more = bytes(packet), addition_of(packet)
            head = _PACKET.pack(packet.pts, packet.duration or 0, packet.is_keyframe, len(data), len(more))
            self._file.write(head + data + more)


def read_stretch(path: Path) -> Stretch:
    """The head of a file.

    Raises:
        ValueError: it is no such file. OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return _read_head(file)


def read_packets(path: Path, *, data: bool = True) -> Iterator[Coded]:
    """The packets of a file in their order, one at a time; without their `data` it is quick. Errors as above."""
    with path.open("rb") as file:
        _read_head(file)
        while head := file.read(_PACKET.size):
            if len(head) != _PACKET.size:
                raise ValueError(f"{path.name} ends within a packet")
            pts, duration, key, *sizes = _PACKET.unpack(head)
            if not data:
                file.seek(sum(sizes), 1)
                yield Coded(pts, duration, bool(key))
                continue
            content, addition = (file.read(size) for size in sizes)
            if [len(content), len(addition)] != sizes:
                raise ValueError(f"{path.name} ends within a packet")
            yield Coded(pts, duration, bool(key), content, addition)


def _read_head(file: BinaryIO) -> Stretch:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("no file of packets")
    try:
        (size,) = _HEAD.unpack(file.read(_HEAD.size))
        head = json.loads(file.read(size))
        return Stretch(Fraction(*head["time_base"]), bytes.fromhex(head["headers"]))
    except (struct.error, KeyError, TypeError, ZeroDivisionError) as error:
        raise ValueError("no file of packets") from error
