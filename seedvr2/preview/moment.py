"""The frames of a preview: some neighbours of one shot, around a moment of the source."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from seedvr2.errors import MediaError, OptionError
from seedvr2.media import Frame, Source
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.segments.detector import CONTEXT, LOOKAHEAD
from seedvr2.segments.likeness import small_picture
from seedvr2.segments.shots import split

# Where a video is looked at if nobody says where, as shares of its length: the first that shows something is taken.
_PLACES = (0.5, 0.35, 0.65, 0.2, 0.8)
# Levels by which the small picture of a frame varies, at least, where it shows something.
_SOMETHING = 8.0
# Frames that are read until one is close enough to such a place.
_MOST_READ = 50


@dataclass(frozen=True, slots=True)
class Moment:
    """Frames in their order; `target` is the index of the one that was asked for. `seconds`: its time in a video."""

    frames: tuple[Frame, ...]
    target: int
    seconds: float | None

    def shown(self, count: int) -> range:
        """The indices of so many frames around the target, or of all, if there are fewer."""
        return _around(self.target, min(count, len(self.frames)), len(self.frames))

    def narrowed(self, count: int) -> Moment:
        """The same with no more than so many frames, around the target."""
        kept = self.shown(count)
        return Moment(self.frames[kept.start : kept.stop], self.target - kept.start, self.seconds)

    def time_of(self, index: int) -> float | None:
        """The time of a frame of a video, in seconds from its beginning."""
        if self.seconds is None:
            return None
        frame, target = self.frames[index], self.frames[self.target]
        return round(self.seconds + float((frame.pts - target.pts) * frame.time_base), 3)


def find_moment(source: Source, at: float | None, window: int, *, shots: bool, check: Callable[[], None]) -> Moment:
    """The `window` frames around a moment, or fewer where their shot is shorter.

    Args:
        at: seconds from the beginning; None for the middle, or another place if that shows nothing.
        shots: take the frames of one shot only. check: called for each frame that is decoded; may raise.

    Raises:
        OptionError: the video is shorter. MediaError: nothing can be decoded there.
    """
    seconds = source.info.duration_s
    if source.info.kind == "picture":
        return Moment(tuple(islice(source.frames(), 1)), 0, None)
    if at is not None:
        if seconds is not None and at > seconds:
            raise OptionError("at", f"at takes a time within the {seconds:.1f} s of {source.path.name}, not {at:g}.")
        return _moment(source, near=at, exact=True, window=window, shots=shots, check=check)
    best: tuple[float, Moment] | None = None
    for place in _PLACES:
        near = place * (seconds or 0.0)
        try:
            moment = _moment(source, near=near, exact=False, window=window, shots=shots, check=check)
        except MediaError:
            if best is None and (place == _PLACES[-1] or not seconds):
                raise
            continue
        shows = float(np.std(small_picture(moment.frames[moment.target].image)))
        if best is None or shows > best[0]:
            best = shows, moment
        if shows >= _SOMETHING or not seconds:
            break
    assert best is not None
    return best[1]


def _moment(source: Source, *, near: float, exact: bool, window: int, shots: bool, check: Callable[[], None]) -> Moment:
    """`near`: the time of the target, in seconds. `exact`: whether no other one will do."""
    before: deque[Frame] = deque(maxlen=window // 2 + CONTEXT)
    frames = _frames(source, near)
    for read, frame in enumerate(frames, 1):
        check()
        before.append(frame)
        if _reached(source, frame, near, read, exact=exact):
            break
    held = [*before, *islice(frames, window + LOOKAHEAD)]
    if not held:
        raise MediaError(f"{source.path.name} holds no frame that can be decoded at {near:.1f} s; name another time.")
    target = len(before) - 1
    if shots:
        held, target = _shot_of(held, target)
    chosen = _around(target, min(window, len(held)), len(held))
    return Moment(tuple(held[chosen.start : chosen.stop]), target - chosen.start, round(_time(source, held[target]), 3))


def _frames(source: Source, near: float) -> Iterator[Frame]:
    return source.frames(near=near) if isinstance(source, VideoSource) else source.frames()


def _reached(source: Source, frame: Frame, near: float, read: int, *, exact: bool) -> bool:
    """Whether a frame is the one that is looked for, or will do, after so many that were `read`."""
    if not exact and read >= _MOST_READ and isinstance(source, VideoSource):
        # Any place will do, and the next one at which reading can begin was far before the middle.
        return True
    return _time(source, frame) + float((frame.duration or 0) * frame.time_base) > near


def _time(source: Source, frame: Frame) -> float:
    """Seconds from the beginning of the source."""
    return float(frame.pts * frame.time_base - getattr(source, "origin", 0))


def _shot_of(frames: Iterable[Frame], target: int) -> tuple[list[Frame], int]:
    """The frames of the shot that the target is in, and its index among them."""
    begin = 0
    found: list[Frame] = []
    for shot in split(frames, lambda frame: frame.image):
        found = list(shot)
        if target < begin + len(found):
            break
        begin += len(found)
    return found, target - begin


def _around(target: int, count: int, total: int) -> range:
    """`count` of `total` indices with the target in their middle, as far as there are any beyond it."""
    first = min(max(target - count // 2, 0), total - count)
    return range(first, first + count)
