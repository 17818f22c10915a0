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
from typing import Any

from av.packet import Packet

from seedvr2.media.videos.crossing import DISORDER, LONGEST_GAP, MOST_AHEAD, Crossing, Jump, Timed, shown_at, time_of

# Where pictures are far apart anyway, as in a slide show, only a gap of so many times as much is one.
_SLOW = 4
# A picture waits for so many others at the most, between being decoded and shown (H.264, A.3.1).
_SLOWEST_ORDER = 16


@dataclass(slots=True)
class _Track:
    offset: Fraction = Fraction(0)
    last: float | None = None  # the file's own time of decoding, in seconds
    end: float = 0.0  # when its last picture or sound has been shown, by the file's own time
    step: float = 0.0
    part: int = 0
    pending: deque[Fraction] = field(default_factory=deque)  # offsets of jumps that are seen, but not reached yet

    def see(self, item: Timed, time: float) -> None:
        shown = shown_at(item.packet, time)
        length = (item.packet.duration or 0) * float(item.packet.time_base)
        if self.last is not None and time > self.last:
            self.step = time - self.last
        until = shown + (length or min(self.step, 1.0))
        self.end = until if self.last is None else max(self.end, until)
        self.last, self.part = time, item.part


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
        time = time_of(item.packet)
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
            time = time_of(item.packet)
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
        backward, forward = time - track.last < -DISORDER, time + float(track.offset) > self._position + LONGEST_GAP
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
        crossing = Crossing(self._tracks, item, time, delta)
        seen = 0
        while not crossing.complete and seen < MOST_AHEAD and (seen < len(self._ahead) or self._more(packets)):
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

    def _join(self, track: _Track, item: Timed, crossing: Crossing, *, alone: bool) -> None:
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

    def _closing(self, jumps: dict[int, Jump]) -> Fraction:
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
