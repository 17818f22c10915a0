"""Times and counts of a video: what the container says, made reliable."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction

import av
from av.format import Flags
from av.video.stream import VideoStream

from seedvr2.media.videos.container import is_clocked

# A file that starts later than this carries the time of a clock, not a delay that somebody meant.
_LONGEST_DELAY = Fraction(10)

# These say when the last track ends, not how long it lasts.
_COUNT_FROM_ZERO = frozenset({"matroska", "nut"})

# Seconds from one frame to the next. mp4 holds no longer pause at 90 kHz; beyond this a time is damaged.
LONGEST_PAUSE = 6 * 3600
# How many frames too late a frame may come before its time is taken for another clock's.
DISORDER = 10


# So many times the frames that there is time for are stored where an edit list shows a part of them.
_CUT = Fraction(21, 20)


class Clock:
    """Gives each frame or packet a time later than the one before: the file's own wherever that is possible.

    Attributes:
        step: ticks from one frame to the next, by the rate. second: ticks of a second.
        by_packets: whether they come from the places of packets.
    """

    def __init__(
        self, time_base: Fraction, rate: Fraction | None, *, by_packets: bool = False, ties: bool = False
    ) -> None:
        """With `by_packets` the file, an AVI, has no times of presentation, but numbers its packets.

        With `ties` several may have the same time: packets of sound can be shorter than a tick.
        """
        self._least = 0 if ties else 1
        self.step = max(1, round(1 / (rate * time_base))) if rate else 1
        self.second = max(1, round(1 / time_base))  # in ticks
        self.by_packets = by_packets
        self._lag: int | None = None  # how many packets after its own one brings out the first picture
        self._next = 0
        self._last: int | None = None
        self._offset = 0
        self.moved = 0  # how many times did not increase, and were moved

    def stamp(self, pts: int | None, dts: int | None, duration: int, fed: Sequence[int] = ()) -> int:
        """The time of a frame, in ticks.

        `dts`: the time of the packet that brought it out. `fed`: those of the latest packets, up to that one at least;
        needed where packets are counted.
        """
        stored = self._counted(dts, fed) if self.by_packets else (pts if pts is not None else dts)
        time = self._increasing(self._next if stored is None else stored + self._offset)
        self._last, self._next = time, time + (duration or self.step)
        return time

    def _counted(self, dts: int | None, fed: Sequence[int]) -> int | None:
        """Pictures are shown at the places of the packets, one after the other; places may be empty."""
        if dts is None:  # at the end, where no more packets bring pictures out
            return next((time for time in fed if self._last is not None and time > self._last), None)
        place = bisect_left(fed, dts)
        if place == len(fed):
            return None
        if self._lag is None:
            self._lag = place
        return fed[max(0, place - self._lag)]

    def _increasing(self, time: int) -> int:
        if self._last is None or self._last + self._least <= time < self._last + LONGEST_PAUSE * self.second:
            return time
        self.moved += 1
        if 0 <= self._last - time < DISORDER * (self._next - self._last):
            return self._last + 1
        # The clock was set, as where recordings were joined: go on from here at its pace.
        self._offset += self._next - time
        return self._next


def origin(container: av.container.InputContainer, stream: VideoStream, first: Fraction | None = None) -> Fraction:
    """Seconds to take off all times of a file, so that its result starts near 0: whole ticks of the video.

    Broadcast formats, and files with the time of day, start anywhere; kept, that start would be a long still picture.
    Small delays are kept: somebody may have meant them. `first`: when the first picture is shown, which tells whether
    the container's own figure is one of a clock that was set meanwhile.
    """
    start = Fraction(container.start_time or 0, av.time_base)
    tick = stream.time_base or Fraction(1, av.time_base)
    if stream.start_time is not None and abs(stream.start_time * tick - start) < Fraction(1, 1000):
        start = stream.start_time * tick  # the container's own figure is cut to microseconds
    clocked = bool(container.format.flags & Flags.ts_discont.value)  # type: ignore[operator]  # an int; PyAV's stub errs
    if is_clocked(container) and first is not None and abs(first - start) > _LONGEST_DELAY:
        start = first
    return start // tick * tick if clocked or abs(start) > _LONGEST_DELAY else Fraction(0)


def stream_duration(container: av.container.InputContainer, stream: VideoStream) -> Fraction | None:
    """Seconds that a stream lasts, by the container's word."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    end = _tagged_end(stream)
    if end is None and container.duration:
        end = Fraction(container.duration, av.time_base)
        if container.format.name.split(",")[0] not in _COUNT_FROM_ZERO:
            return end
    late = max(Fraction(0), (stream.start_time or 0) * (stream.time_base or 0))
    # A live recording that was finished later says how long it is, not when it ends.
    return end if end is None or end <= late else end - late


def states_length(container: av.container.InputContainer, stream: VideoStream) -> bool:
    """Whether the length of the video itself is known, and not only that of the longest track."""
    return (
        bool(stream.duration)
        or _tagged_end(stream) is not None
        or (len(container.streams) == 1 and bool(container.duration))
    )


def _tagged_end(stream: VideoStream) -> Fraction | None:
    """When a track ends by a tag of Matroska, counted from the beginning of the file."""
    tag = next((value for key, value in stream.metadata.items() if key.upper() == "DURATION"), "")
    if found := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", tag):
        return int(found[1]) * 3600 + int(found[2]) * 60 + Fraction(found[3])
    return None


def declared_end(container: av.container.InputContainer, stream: VideoStream) -> int | None:
    """The tick at which the video should end; None if only the end of the whole file is known."""
    seconds = stream_duration(container, stream)
    if seconds is None or not stream.time_base or not states_length(container, stream):
        return None
    return (stream.start_time or 0) + int(seconds / stream.time_base)


def estimate_frames(stream: VideoStream, rate: Fraction | None, seconds: Fraction | None) -> int | None:
    """How many frames there will be, as well as can be known without decoding them."""
    if stream.frames:
        # An edit list leaves some of them out.
        cut = rate and seconds and stream.duration and stream.frames > _CUT * rate * seconds
        return max(1, round(seconds * rate)) if cut and seconds and rate else stream.frames
    tag = stream.metadata.get("NUMBER_OF_FRAMES", "")
    if tag.isdigit() and int(tag):
        return int(tag)
    if rate and seconds:
        return max(1, round(seconds * rate))
    return None
