"""Times and counts of a video: what the container says, made reliable."""

from __future__ import annotations

import re
from fractions import Fraction

import av
from av.format import Flags
from av.video.stream import VideoStream

# A file that starts later than this carries the time of a clock, not a delay that somebody meant.
_LONGEST_DELAY = Fraction(10)


class Clock:
    """Gives each frame a time: the file's own, or the one after the last where that is missing or runs backwards."""

    def __init__(self, time_base: Fraction, rate: Fraction | None) -> None:
        self._step = max(1, round(1 / (rate * time_base))) if rate else 1
        self._next = 0
        self._last: int | None = None

    def stamp(self, pts: int | None, duration: int | None) -> tuple[int, int | None]:
        """The (time, duration) of a frame, in ticks."""
        if pts is None:
            pts = self._next
        if self._last is not None and pts <= self._last:
            pts = self._last + 1
        self._last = pts
        self._next = pts + (duration or self._step)
        return pts, duration or None


def origin(container: av.container.InputContainer) -> Fraction:
    """Seconds to take off all times of a file, so that it starts near 0. Small delays are kept."""
    start = Fraction(container.start_time or 0, av.time_base)
    clocked = bool(container.format.flags & Flags.ts_discont.value)  # type: ignore[operator]  # an int, typed as Flags
    return start if clocked or start > _LONGEST_DELAY else Fraction(0)


def stream_duration(container: av.container.InputContainer, stream: VideoStream) -> Fraction | None:
    """Seconds that a stream lasts, by the container's word."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    tag = next((value for key, value in stream.metadata.items() if key.upper() == "DURATION"), "")
    if found := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", tag):
        return int(found[1]) * 3600 + int(found[2]) * 60 + Fraction(found[3])
    return Fraction(container.duration, av.time_base) if container.duration else None


def declared_end(container: av.container.InputContainer, stream: VideoStream) -> int | None:
    """The tick at which the video should end; None if only the end of the whole file is known."""
    alone = len(container.streams) == 1
    seconds = stream_duration(container, stream)
    if seconds is None or not stream.time_base:
        return None
    if not stream.duration and not alone and "DURATION" not in {key.upper() for key in stream.metadata}:
        return None
    return (stream.start_time or 0) + int(seconds / stream.time_base)


def estimate_frames(stream: VideoStream, rate: Fraction | None, seconds: Fraction | None) -> int | None:
    """How many frames there will be, as well as can be known without decoding them."""
    if stream.frames:
        return stream.frames
    tag = stream.metadata.get("NUMBER_OF_FRAMES", "")
    if tag.isdigit() and int(tag):
        return int(tag)
    if rate and seconds:
        return max(1, round(seconds * rate))
    return None
