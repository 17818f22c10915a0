"""Where a transport stream goes on with other streams: recordings that were joined, or a channel that was changed.

FFmpeg takes what comes later for further tracks beside the first ones, or does not see it. The tables of the stream
(ISO/IEC 13818-1, 2.4.4) tell where it changes; each part is opened by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, TypeAlias

_SYNC = 0x47
_PACKET_SIZES = (188, 192, 204)  # plain, with the time stamps of cameras and discs, with error correction
_IN_A_ROW = 5
# Tables come several times a second: this much holds some of them at 100 Mbit/s.
_WINDOW = 8 << 20
# A file is looked into at so many places, and between two of them where these differ.
_SAMPLES = 128
_PACKETS_AT_ONCE = 1024
# ISO/IEC 13818-1 table 2-34, and what discs and other countries' broadcasts use.
_VIDEO_TYPES = frozenset({0x01, 0x02, 0x10, 0x1B, 0x20, 0x21, 0x24, 0x33, 0x42, 0xD1, 0xD2, 0xEA})

_Videos: TypeAlias = tuple[tuple[int, int], ...]  # PID and type of each video stream


def part_ranges(path: Path) -> tuple[tuple[int, int], ...]:
    """First byte, and the one after the last, of each part of a recording; one range for any other file.

    A long file is looked into at some places only: parts that lie between two of them may be missed.

    Raises:
        OSError: it cannot be read.
    """
    status = path.stat()
    return _part_ranges(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _part_ranges(path: Path, size: int, _changed: int) -> tuple[tuple[int, int], ...]:
    with path.open("rb") as file:
        framing = _framing(file.read(204 * (_IN_A_ROW + 1)))
        starts = _changes(_Tables(file, *framing), size) if framing else []
    return tuple(pairwise([0, *starts, size]))


def _framing(head: bytes) -> tuple[int, int] | None:
    """Where the first packet is, and how long packets are; None if it is no transport stream."""
    for length in _PACKET_SIZES:
        for start in range(length):
            if head[start : start + length * _IN_A_ROW : length] == bytes([_SYNC]) * _IN_A_ROW:
                return start, length
    return None


def _changes(tables: _Tables, size: int) -> list[int]:
    """The bytes at which a part begins whose video is another stream."""
    step = max(_PACKET_SIZES[0], size // _SAMPLES)
    found: list[int] = []
    sampled = [now for place in range(0, size, step) if (now := tables.read(place, size))]
    for (low, before), (high, after) in pairwise(sampled):
        while before[0] not in after:
            # The first place between the two at which the video of the part before is gone.
            place, there = _first_without(tables, before[0], low, (high, after))
            found.append(place)
            low, before = place, there
    return found


def _first_without(
    tables: _Tables, video: tuple[int, int], low: int, known: tuple[int, _Videos]
) -> tuple[int, _Videos]:
    high = known[0]
    while high - low > 1:
        middle = (low + high) // 2
        there = tables.read(middle, known[0])
        if there is None:
            high = middle
        elif video in there[1]:
            low = max(middle, there[0])
        else:
            high, known = min(middle, there[0]), min(known, there)
    return known


class _Tables:
    """The program tables of a transport stream."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._file, self._start, self._length = file, start, length
        self._lead = length - 188 if length == 192 else 0  # a time stamp stands before each packet

    def read(self, place: int, end: int) -> tuple[int, _Videos] | None:
        """The first tables at `place` or later that name a video: their first byte, and the videos.

        None if there are none near, or before `end`.
        """
        pieces: dict[int, bytearray] = {}
        programs: dict[int, int] = {}
        videos: dict[int, _Videos] = {}
        begins = place
        for at, packet in self._packets(place, min(end, place + _WINDOW)):
            pid = (packet[1] & 0x1F) << 8 | packet[2]
            if packet[0] != _SYNC or (pid != 0 and pid not in programs):
                continue
            section = _section(packet, pieces, pid)
            if section is None:
                continue
            if pid == 0 and section[0] == 0:
                begins, programs = at - self._lead, _programs(section)
                videos = {}
            elif pid in programs and section[0] == 2:
                videos[pid] = _videos(section)
                if len(videos) == len(programs) and any(videos.values()):
                    return begins, tuple(one for key in programs for one in videos[key])
        return None

    def _packets(self, place: int, end: int) -> Iterator[tuple[int, bytes]]:
        at = self._start + -(-max(0, place - self._start) // self._length) * self._length
        while at < end:
            self._file.seek(at)
            block = self._file.read(self._length * _PACKETS_AT_ONCE)
            for offset in range(0, len(block) - 187, self._length):
                yield at + offset, block[offset : offset + 188]
            at += self._length * _PACKETS_AT_ONCE


def _section(packet: bytes, pieces: dict[int, bytearray], pid: int) -> bytes | None:
    """A table that is complete with this packet; None as long as it is not."""
    payload = 5 + packet[4] if packet[3] & 0x20 else 4
    if not packet[3] & 0x10 or payload >= 188:
        return None
    body = packet[payload:]
    if packet[1] & 0x40:
        pieces[pid] = bytearray(body[1 + body[0] :])
    elif pid in pieces:
        pieces[pid] += body
    held = pieces.get(pid, b"")
    if len(held) < 3 or len(held) < (size := 3 + ((held[1] & 0x0F) << 8 | held[2])):
        return None
    del pieces[pid]
    return bytes(held[: size - 4])  # without its checksum


def _programs(section: bytes) -> dict[int, int]:
    """The programs of an association table, by the PID of their map."""
    found = {}
    for entry in range(8, len(section) - 3, 4):
        program = section[entry] << 8 | section[entry + 1]
        if program:
            found[(section[entry + 2] & 0x1F) << 8 | section[entry + 3]] = program
    return found


def _videos(section: bytes) -> _Videos:
    """The videos of a program map."""
    found = []
    entry = 12 + ((section[10] & 0x0F) << 8 | section[11]) if len(section) > 11 else len(section)
    while entry + 5 <= len(section):
        if section[entry] in _VIDEO_TYPES:
            found.append(((section[entry + 1] & 0x1F) << 8 | section[entry + 2], section[entry]))
        entry += 5 + ((section[entry + 3] & 0x0F) << 8 | section[entry + 4])
    return tuple(found)
