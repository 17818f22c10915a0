"""Where a video is damaged, as its frames show: stretches that are missing, and pictures that came out incomplete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import av

# Decoders tell of an error some frames before or after the place: so many they have in hand, on one core or on all.
_NEAR, _NEAR_ON_ALL = 20, 48
# Of places that only look like one, more than one in so many frames mean that frames just come when they do.
_RARE = 200
_MOST = 100
_FEW = 48  # frames that say nothing of that
_MERGED = 12  # frames between two places that are told as one
_TOLD = 5  # places in one sentence

Span = tuple[int, int]  # ticks: from, to


class Damage:
    """Looks at the frames of a video as they pass, in their order."""

    def __init__(self, step: int, *, steady: bool) -> None:
        """`step`: ticks from one frame to the next. `steady`: they are decoded on one core."""
        self._step, self._near = step, _NEAR if steady else _NEAR_ON_ALL
        self._number = 0
        self._evidence, self._told_at = 0, -self._near - 1
        self._last: int | None = None
        self._lasting = step
        self._broken_since: int | None = None
        self._spans: list[Span] = []
        self._holes: list[tuple[int, Span]] = []
        self._others, self._other_at = 0, -self._near - 1

    def see(self, frame: av.VideoFrame, time: int, evidence: int) -> None:
        """The next frame, shown at `time`. `evidence`: how much has told of damage so far; it never falls."""
        if evidence > self._evidence:
            self._evidence, self._told_at = evidence, self._number
            self._spans += [span for number, span in self._holes if number >= self._number - self._near]
            self._holes = [(number, span) for number, span in self._holes if number < self._number - self._near]
        if self._last is not None and time - self._last > self._lasting * 3 // 2:
            self._missing((self._last + self._lasting, time))
        if frame.is_corrupt and self._broken_since is None:
            self._broken_since = time
        elif self._broken_since is not None and frame.key_frame and not frame.is_corrupt:
            # What is damaged shows until the next frame that is coded without others.
            self._spans.append((self._broken_since, time))
            self._broken_since = None
        self._last, self._lasting = time, max(frame.duration or 0, self._step)
        self._number += 1

    def _missing(self, span: Span) -> None:
        if self._number - self._told_at <= self._near:
            self._spans.append(span)
            return
        if self._number - self._other_at > self._near:
            self._others, self._other_at = self._others + 1, self._number
        if len(self._holes) < _MOST:
            self._holes.append((self._number, span))
        else:
            self._holes = [*self._holes[1:], (self._number, span)]

    def report(self, time_base: Fraction, zero: Fraction, *, regular: bool) -> Iterator[str]:
        """Sentences on the places. `zero`: seconds to take off all times.

        `regular`: a frame that is missing shows in the times, as the container has one for each.
        """
        spans = list(self._spans)
        if self._broken_since is not None and self._last is not None:
            spans.append((self._broken_since, self._last + self._lasting))
        if spans:
            places = _places(_merged(spans, _MERGED * self._step), time_base, zero)
            yield f"The damage is {places}; where frames are missing, the one before stands still."
        holes = self._lost()
        rare = self._others <= min(max(self._number // _RARE, 1), _MOST) and self._number >= _FEW
        if regular and holes and rare:
            places = _places(_merged(holes, self._step), time_base, zero)
            yield f"There are no frames {places}; the one before stands still."

    def _lost(self) -> list[Span]:
        """Places at which more than a single frame is missing, be it here and there."""
        spans = [span for _, span in self._holes]
        places = _merged(spans, _MERGED * self._step)
        missing = [sum(b - a for a, b in spans if begin <= a and b <= end) for begin, end in places]
        return [place for place, ticks in zip(places, missing, strict=True) if ticks >= 2 * self._step]


def _merged(spans: Sequence[Span], near: int) -> list[Span]:
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1] + near:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def _places(spans: Sequence[Span], time_base: Fraction, zero: Fraction) -> str:
    def shown(ticks: int, *, up: bool) -> str:
        tenths = (ticks * time_base - zero) * 10
        whole = max(-(-tenths // 1) if up else tenths // 1, 0)
        minutes, rest = divmod(int(whole), 600)
        return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 10:02}.{rest % 10}"

    told = [f"between {shown(begin, up=False)} and {shown(end, up=True)}" for begin, end in spans[:_TOLD]]
    more = len(spans) - len(told)
    return ", ".join(told) + (f", and at {more} more places" if more > 1 else ", and at one more place" if more else "")
