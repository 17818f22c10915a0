"""How the tracks of a recording cross a place at which its clock was set, from the packets that follow it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

from av.packet import Packet

# A clock that runs ahead by more seconds than this has been set; a shorter gap is a pause that somebody recorded.
LONGEST_GAP = 10.0
# Packets are in the order of decoding; one that is earlier than its predecessor by less is only out of order.
DISORDER = 0.25
# Tracks of one file are this far apart at most: how long the others are given to jump as well.
_INTERLEAVED = 3.0
_OWN_LEAD = 5.0
MOST_AHEAD = 20_000  # packets
# How many packets tell when a part begins: pictures do not come in the order in which they are shown.
_REORDERED = 8


class Timed(NamedTuple):
    """A packet, the track it belongs to, and which part of the recording it is from."""

    track: int
    packet: Packet[Any]
    part: int = 0


@dataclass(slots=True)
class Jump:
    """How one track crosses a place at which the clock was set."""

    end: float | None  # of what was before, by the old clock; None if there was nothing
    start: float  # of what follows, by the new clock


class Crosser(Protocol):
    """What is known of a track before the jump.

    Attributes:
        last: time of decoding of its last packet, in seconds; None if there is none yet. end: until when it has been
            shown, by the same clock. part: that packet's. pending: for each jump that is known, but not reached yet.
    """

    last: float | None
    end: float
    part: int
    pending: deque[Fraction]


class Crossing:
    """What the packets after a jump say about it.

    Attributes:
        jumps: of the tracks that cross it as well. staying: tracks that go on by the old clock.
    """

    def __init__(self, tracks: Mapping[int, Crosser], item: Timed, time: float, delta: float) -> None:
        """`item`: the first packet after the jump, at `time`; `delta`: seconds by which its track jumps."""
        self._item, self._time, self._delta = item, time, delta
        self._last = {key: track.last for key, track in tracks.items()}
        self._end = {key: track.end for key, track in tracks.items()}
        self._part = {key: track.part for key, track in tracks.items()}
        # Jumps that are known already lie before this one.
        self._known = {key: len(track.pending) for key, track in tracks.items()}
        self._after: dict[int, int] = {item.track: 1}
        self._next: list[float] = []
        self._over = False
        self._old_from: dict[int, float] = {}
        self.staying: set[int] = set()
        own_end = self._end[item.track] if self._last[item.track] is not None else None
        self.jumps = {item.track: Jump(own_end, shown_at(item.packet, time))}

    @property
    def complete(self) -> bool:
        """Whether nothing more will come to light."""
        lead = self._next[-1] - self._time if self._next else 0.0
        told = all(
            key in self.jumps or key in self.staying or (last is None and not self._known[key])
            for key, last in self._last.items()
        )
        return (
            self._over
            or (told and len(self._next) >= _REORDERED)
            or lead > _OWN_LEAD
            or len(self._next) > MOST_AHEAD // 10
        )

    @property
    def next_step(self) -> float:
        """Seconds to the next packet of the track; 0 if there is none."""
        return self._next[0] - self._time if self._next else 0.0

    def is_mistake(self, track: Crosser) -> bool:
        """Whether the next packet is back at the old clock."""
        if not self._next or track.last is None:
            return False
        following = self._next[0]
        return abs(following - track.last) < abs(following - self._time) and following > track.last - DISORDER

    def see(self, item: Timed) -> None:
        """Take a packet into account."""
        key, time = item.track, time_of(item.packet)
        if item.part > self._item.part:
            self._over = True  # another join, to be looked at when it is reached
        if key not in self._last or time is None or self._over:
            return
        if key in self.jumps:
            if key == self._item.track:
                self._next.append(time)
            if self._after[key] < _REORDERED:
                self._after[key] += 1
                jump = self.jumps[key]
                jump.start = min(jump.start, max(shown_at(item.packet, time), jump.start - 1))
            return
        last = self._last[key]
        if last is None and abs(time - self._time) < abs(self._delta) / 2:
            # It begins with the new clock.
            self.jumps[key], self._after[key] = Jump(None, shown_at(item.packet, time)), 1
            return
        if last is not None and self._crosses(item, time - last):
            if self._known[key]:
                self._known[key] -= 1
                self._end[key] = time
            else:
                self.jumps[key] = Jump(self._end[key], shown_at(item.packet, time))
                self._after[key] = 1
                self.staying.discard(key)
                return
        elif last is not None and not self._known[key]:
            begun = self._old_from.setdefault(key, time)
            if time - begun > _INTERLEAVED:
                self.staying.add(key)
        length = (item.packet.duration or 0) * float(item.packet.time_base)
        self._end[key] = max(self._end[key], shown_at(item.packet, time) + length)
        self._last[key], self._part[key] = time, item.part

    def _crosses(self, item: Timed, step: float) -> bool:
        ahead = max(abs(self._delta), LONGEST_GAP) / 2
        return step < -DISORDER or step > ahead or item.part != self._part[item.track]


def time_of(packet: Packet[Any]) -> float | None:
    """A packet's time of decoding in seconds."""
    stored = packet.dts if packet.dts is not None else packet.pts
    return None if stored is None else stored * float(packet.time_base)


def shown_at(packet: Packet[Any], time: float) -> float:
    """When a packet is shown, in seconds; `time`: its time of decoding."""
    shown = time if packet.pts is None else packet.pts * float(packet.time_base)
    return shown if shown - time <= LONGEST_GAP else time
