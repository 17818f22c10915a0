"""Decoded frames in the order in which they are shown, where damage has mixed them up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import av

from seedvr2.media.videos.timing import DISORDER

# Frames that a decoder holds back at most, and gives out late where the one after them was lost.
_MOST_LATE = 16


class Ordered:
    """Iterates over frames without those that belong elsewhere.

    Where a key frame is lost, a decoder brings out the frames before it after some that follow it; and a damaged time
    puts a frame far ahead. Neither says anything about the clock of what comes next, so these frames are left out.

    Attributes:
        dropped: how many, so far.
    """

    def __init__(self, frames: Iterable[av.VideoFrame], step: int, pause: int, damaged: Callable[[], bool]) -> None:
        """`step`: ticks from one frame to the next. `pause`: ticks after which a frame may be too far ahead.

        `damaged`: whether anything else tells of damage so far.
        """
        self._frames, self._damaged = frames, damaged
        self._late_by, self._pause = DISORDER * step, pause
        self._last: int | None = None
        self._ahead: av.VideoFrame | None = None
        self._late: list[av.VideoFrame] = []
        self.dropped = 0

    def __iter__(self) -> Iterator[av.VideoFrame]:
        for frame in self._frames:
            if frame.pts is None:
                yield frame
                continue
            yield from self._waiting_for(frame.pts)
            yield from self._placed(frame, frame.pts)
        left = [*([self._ahead] if self._ahead else []), *self._late]
        if self._damaged():
            self.dropped += len(left)
        else:
            yield from left

    def _waiting_for(self, time: int) -> Iterator[av.VideoFrame]:
        """The frame that was far ahead, if what comes now does not prove it wrong."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return
        assert ahead.pts is not None and self._last is not None
        if self._last < time < ahead.pts:
            self.dropped += 1
            return
        self._last = ahead.pts
        yield ahead

    def _placed(self, frame: av.VideoFrame, time: int) -> Iterator[av.VideoFrame]:
        if self._last is not None and self._last - time >= self._late_by:
            self._late.append(frame)
            if len(self._late) > _MOST_LATE:
                # These are no stragglers: the clock was set back.
                yield from self._late
                self._last, self._late = time, []
            return
        self.dropped += len(self._late)
        self._late = []
        if self._last is not None and time - self._last > self._pause:
            self._ahead = frame
            return
        self._last = time
        yield frame
