"""One continuous time for all tracks of a recording whose clock jumps.

Broadcasts, discs and live captures carry the time of a clock that somebody else sets: it is set anew where recordings
were joined, where a transmission broke off, or by a mistake. All tracks get the same offset there, since the distance
between sound and picture after the jump is what the new part says it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from av.packet import Packet

# A clock that runs ahead by more seconds than this has been set; a shorter gap is a pause that somebody recorded.
LONGEST_GAP = 10.0
# Packets are in the order of decoding; one that is earlier than its predecessor by less is only out of order.
_DISORDER = 0.25
# Tracks of one file are this far apart at most: how long the others are given to jump as well.
_INTERLEAVED = 3.0
_OWN_LEAD = 5.0
# Where pictures are far apart anyway, as in a slide show, only a gap of so many times as much is one.
_SLOW = 4
# A picture waits for so many others at the most, between being decoded and shown (H.264, A.3.1).
_SLOWEST_ORDER = 16
_MOST_AHEAD = 20_000  # packets
# How many packets tell when a part begins: pictures do not come in the order in which they are shown.
_REORDERED = 8


class Timed(NamedTuple):
    """A packet, the track it belongs to, and which part of the recording it is from."""

    track: int
    packet: Packet[Any]
    part: int = 0


@dataclass(slots=True)
class _Track:
    offset: Fraction = Fraction(0)
    last: float | None = None  # the file's own time of decoding, in seconds
    end: float = 0.0  # when its last picture or sound has been shown, by the file's own time
    step: float = 0.0
    part: int = 0
    pending: deque[Fraction] = field(default_factory=deque)  # offsets of jumps that are seen, but not reached yet

    def see(self, item: Timed, time: float) -> None:
        shown = _shown(item.packet, time)
        length = (item.packet.duration or 0) * float(item.packet.time_base)
        if self.last is not None and time > self.last:
            self.step = time - self.last
        until = shown + (length or min(self.step, 1.0))
        self.end = until if self.last is None else max(self.end, until)
        self.last, self.part = time, item.part


@dataclass(slots=True)
class _Jump:
    """How one track crosses a place at which the clock was set."""

    end: float | None  # of what was before, by the old clock; None if there was nothing
    start: float  # of what follows, by the new clock


class Timeline:
    """Moves the times of packets so that they run on past every jump of the clock. Counts the `joins`."""

    def __init__(self, main: int, others: Sequence[int]) -> None:
        """`main`: the track of the video. `others`: those of the sound, by which jumps are told as well."""
        self._main = main
        self._tracks = {track: _Track() for track in (main, *others)}
        self._loose: dict[int, Fraction] = {}
        self._shared: deque[Fraction] = deque([Fraction(0)], maxlen=4)
        self._position: float | None = None  # up to where the result has been filled
        self._ahead: deque[Timed | None] = deque()
        self.joins = 0

    def follow(self, packets: Iterator[Timed | None]) -> Iterator[Timed | None]:
        """The same packets in the same order, with continuous times. None, for a damaged place, is passed on."""
        while self._ahead or (self._more(packets)):
            item = self._ahead.popleft()
            if item is not None:
                self._place(item, packets)
            yield item

    def _more(self, packets: Iterator[Timed | None]) -> bool:
        for item in packets:
            self._ahead.append(item)
            return True
        return False

    def _place(self, item: Timed, packets: Iterator[Timed | None]) -> None:
        time = _time(item.packet)
        track = self._tracks.get(item.track)
        if track is None:
            _shift(item.packet, self._nearest(item.track, time))
            return
        if time is None:
            track.part = item.part
            return
        if _is_foreign(item.packet, time, track.step):
            item.packet.pts = None
        if self._jumps(track, item, time) and not self._switch(track, time):
            self._look_ahead(track, item, time, packets)
            time = _time(item.packet)
            if time is None:  # a mistake of this packet alone
                return
            if track.pending:
                self._take(track)
        track.see(item, time)
        end = track.end + float(track.offset)
        self._position = end if self._position is None else max(self._position, end)
        _shift(item.packet, track.offset)

    def _nearest(self, track: int, time: float | None) -> Fraction:
        """The offset of a track that is too sparse to tell: the one that puts it next to the others."""
        position = self._position or 0.0
        best = self._loose.get(track, self._shared[-1])
        if time is not None:
            best = min(reversed(self._shared), key=lambda offset: abs(time + float(offset) - position))
        self._loose[track] = best
        return best

    def _jumps(self, track: _Track, item: Timed, time: float) -> bool:
        if self._position is None:
            return False
        if track.last is None:
            track.offset = self._shared[-1]
            return abs(time + float(track.offset) - self._position) > LONGEST_GAP
        backward, forward = time - track.last < -_DISORDER, time + float(track.offset) > self._position + LONGEST_GAP
        return backward or forward or item.part != track.part

    def _switch(self, track: _Track, time: float) -> bool:
        """Follow the other tracks, where these have crossed this jump already."""
        if not track.pending:
            shared, position = self._shared[-1], self._position or 0.0
            near = abs(time + float(shared) - position) <= LONGEST_GAP
            overlaps = track.last is not None and time + float(shared) < track.last + float(track.offset)
            if shared == track.offset or not near or overlaps:
                return False
            track.pending.append(shared)
        self._take(track)
        return True

    def _take(self, track: _Track) -> None:
        track.offset, track.last = track.pending.popleft(), None

    def _look_ahead(self, track: _Track, item: Timed, time: float, packets: Iterator[Timed | None]) -> None:
        """Find out which tracks cross the jump, and give them an offset, to be taken when they are there."""
        delta = time - track.last if track.last is not None else time + float(track.offset) - (self._position or 0.0)
        crossing = _Crossing(self._tracks, item, time, delta)
        seen = 0
        while not crossing.complete and seen < _MOST_AHEAD and (seen < len(self._ahead) or self._more(packets)):
            ahead = self._ahead[seen]
            seen += 1
            if ahead is not None:
                crossing.see(ahead)
        if item.part == track.part and crossing.is_mistake(track):
            item.packet.pts = item.packet.dts = None
            return
        if item.part == track.part and 0 < delta < _SLOW * max(track.step, crossing.next_step):
            return
        alone = bool(crossing.staying) and item.part == track.part
        if alone and -1 < delta < 0:
            return  # too little to tell from a track that overlaps itself: the clocks of the others are right
        self._join(track, item, crossing, alone=alone)

    def _join(self, track: _Track, item: Timed, crossing: _Crossing, *, alone: bool) -> None:
        jumps = crossing.jumps
        reference = jumps.get(self._main, jumps[item.track]).start
        together = {key: jump for key, jump in jumps.items() if abs(jump.start - reference) <= LONGEST_GAP}
        offset = self._closing(together)
        if not alone:
            gap = float(self._shared[-1] - offset)
            if item.part != track.part and 0 <= gap <= LONGEST_GAP:
                offset = self._shared[-1]  # the parts follow each other by one clock
            self._shared.append(offset)
        self.joins += 1
        for key, jump in jumps.items():
            self._tracks[key].pending.append(offset if key in together else self._closing({key: jump}))

    def _closing(self, jumps: dict[int, _Jump]) -> Fraction:
        """The smallest offset at which no track overlaps what it had before."""
        ends = [
            jump.end + float(self._offset_before(key)) - jump.start
            for key, jump in jumps.items()
            if jump.end is not None
        ]
        if not ends:
            ends = [(self._position or 0.0) - min(jump.start for jump in jumps.values())]
        # The clock of broadcasts, which that of every other format goes into.
        return Fraction(round(max(ends) * 90_000), 90_000)

    def _offset_before(self, key: int) -> Fraction:
        track = self._tracks[key]
        return track.pending[-1] if track.pending else track.offset


class _Crossing:
    """What the packets after a jump say about it."""

    def __init__(self, tracks: dict[int, _Track], item: Timed, time: float, delta: float) -> None:
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
        self.jumps = {item.track: _Jump(own_end, _shown(item.packet, time))}

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
            or len(self._next) > _MOST_AHEAD // 10
        )

    @property
    def next_step(self) -> float:
        """Seconds to the next packet of the track; 0 if there is none."""
        return self._next[0] - self._time if self._next else 0.0

    def is_mistake(self, track: _Track) -> bool:
        """Whether the next packet is back at the old clock."""
        if not self._next or track.last is None:
            return False
        following = self._next[0]
        return abs(following - track.last) < abs(following - self._time) and following > track.last - _DISORDER

    def see(self, item: Timed) -> None:
        """Take a packet into account."""
        key, time = item.track, _time(item.packet)
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
                jump.start = min(jump.start, max(_shown(item.packet, time), jump.start - 1))
            return
        last = self._last[key]
        if last is None and abs(time - self._time) < abs(self._delta) / 2:
            # It begins with the new clock.
            self.jumps[key], self._after[key] = _Jump(None, _shown(item.packet, time)), 1
            return
        if last is not None and self._crosses(item, time - last):
            if self._known[key]:
                self._known[key] -= 1
                self._end[key] = time
            else:
                self.jumps[key] = _Jump(self._end[key], _shown(item.packet, time))
                self._after[key] = 1
                self.staying.discard(key)
                return
        elif last is not None and not self._known[key]:
            begun = self._old_from.setdefault(key, time)
            if time - begun > _INTERLEAVED:
                self.staying.add(key)
        length = (item.packet.duration or 0) * float(item.packet.time_base)
        self._end[key] = max(self._end[key], _shown(item.packet, time) + length)
        self._last[key], self._part[key] = time, item.part

    def _crosses(self, item: Timed, step: float) -> bool:
        ahead = max(abs(self._delta), LONGEST_GAP) / 2
        return step < -_DISORDER or step > ahead or item.part != self._part[item.track]


def _time(packet: Packet[Any]) -> float | None:
    stored = packet.dts if packet.dts is not None else packet.pts
    return None if stored is None else stored * float(packet.time_base)


def _shown(packet: Packet[Any], time: float) -> float:
    shown = time if packet.pts is None else packet.pts * float(packet.time_base)
    return shown if shown - time <= LONGEST_GAP else time


def _is_foreign(packet: Packet[Any], time: float, step: float) -> bool:
    """Whether a time of presentation is one of the next part: FFmpeg gives it to the last picture before a join."""
    if packet.pts is None:
        return False
    return packet.pts * float(packet.time_base) - time > max(LONGEST_GAP, _SLOWEST_ORDER * step)


def _shift(packet: Packet[Any], offset: Fraction) -> None:
    if not offset:
        return
    ticks = round(offset / packet.time_base)
    if packet.dts is not None:
        packet.dts += ticks
    if packet.pts is not None:
        packet.pts += ticks
