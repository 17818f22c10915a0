"""The true times of an AVI's packets where some are lost: they are counted, but the index says which is which."""

from __future__ import annotations

from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

# Bytes of a chunk before its content: its name and size. The index gives where these are.
_HEAD = 8


class AviPlaces:
    """Moves packets to the places that the index has for them; one for each reading from the beginning.

    Attributes:
        skipped: at how many places packets were missing, so far.
    """

    def __init__(self, container: InputContainer) -> None:
        """Does nothing for other formats."""
        self._is_avi = container.format.name == "avi"
        self._shifts: dict[int, int] = {}
        self.skipped = 0

    def correct(self, packet: Packet[Any]) -> None:
        """Set the time of the next packet of the file."""
        if not self._is_avi or packet.dts is None or packet.pos is None:
            return
        index = packet.stream.index
        shift, unit = self._shifts.get(index, 0), _unit(packet)
        entry = _place(packet.stream, (packet.dts + shift) * unit, packet.pos - _HEAD)
        if entry is not None:
            place = entry // unit
            # What has no place of its own, a part of a chunk, follows the last that has.
            self.skipped += place - packet.dts != shift
            shift = self._shifts[index] = place - packet.dts
        if shift:
            packet.dts += shift
            packet.pts = None if packet.pts is None else packet.pts + shift


def _unit(packet: Packet[Any]) -> int:
    """What the index counts in a tick of the stream: bytes where it counts those, as for sound that is not packed."""
    entries = packet.stream.index_entries
    if len(entries) < 2 or not packet.duration or entries[1].timestamp - entries[0].timestamp != entries[0].size:
        return 1
    return max(round(packet.size / packet.duration), 1)


def _place(stream: Stream, least: int, position: int) -> int | None:
    """The time of the chunk at a position by the index, which is not before `least`; None if it knows none there."""
    entries = stream.index_entries
    at = entries.search_timestamp(least, backward=False, any_frame=True)
    while 0 <= at < len(entries):
        entry = entries[at]
        if entry.pos >= position:
            return entry.timestamp if entry.pos == position else None
        at += 1
    return None
