"""From shots to segments: whole shots together, and long shots divided where a batch begins.

A segment gives its frames by itself. Where it begins or ends within a shot, it computes the batches that lie across the
border too, and its neighbour computes the same ones again: what a batch gives depends on its frames alone, so both get
the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seedvr2.pipeline.batching import effective_overlap


@dataclass(frozen=True, slots=True)
class Grid:
    """Where batches begin, counted from the first frame of a shot.

    Attributes:
        window: frames of a batch. overlap: of them, those that are also in the batch before.
        prepend: mirrored frames before the first of the shot.
    """

    window: int
    overlap: int = 0
    prepend: int = 0

    @property
    def step(self) -> int:
        """Frames from the beginning of one batch to that of the next."""
        return self.window - effective_overlap(self.window, self.overlap)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a source that is made as one piece; frames are counted from 0 over the whole source.

    Attributes:
        start, stop: its frames; the last one is before `stop`.
        first, last: the frames that it is computed from, which are more where it begins or ends within a shot.
        shots: where shots begin between `first` and `last`; `first` is among them only if one begins there.
    """

    start: int
    stop: int
    first: int
    last: int
    shots: tuple[int, ...]

    @property
    def begins_within_shot(self) -> bool:
        """Whether `first` is a later frame of a shot, so that a batch before it shares frames with the first one."""
        return self.first not in self.shots


def divide(shots: Sequence[int], frames: int, most: int, grid: Grid) -> list[Segment]:
    """The segments of a source.

    Args:
        shots: the frames with which shots begin, ascending from 0.
        frames: in the source.
        most: frames that a segment should have at most; a batch is never divided.
        grid: of the batches in a shot.
    """
    segments: list[Segment] = []
    waiting: list[int] = []
    for start, stop in itertools.pairwise((*shots, frames)):
        if waiting and stop - waiting[0] > most:
            segments.append(_whole(waiting, start))
            waiting = []
        if stop - start > most:
            segments += _parts(start, stop, most, grid)
        else:
            waiting.append(start)
    if waiting:
        segments.append(_whole(waiting, frames))
    return segments


def _whole(shots: Sequence[int], stop: int) -> Segment:
    return Segment(shots[0], stop, shots[0], stop, tuple(shots))


def _parts(start: int, stop: int, most: int, grid: Grid) -> Iterator[Segment]:
    """A long shot in pieces of about the same length."""
    length = stop - start
    pieces = -(-length // most)
    borders = sorted({_on_grid(length * index // pieces, grid) for index in range(1, pieces)})
    inner = [start + border for border in borders if 0 < border < length]
    overlap = effective_overlap(grid.window, grid.overlap)
    for begin, end in itertools.pairwise((start, *inner, stop)):
        # The frames that a batch shares with the one before are coloured together with that one's.
        first = begin if begin == start or not overlap else max(begin - grid.step, start)
        last = min(end + grid.window, stop) if end != stop and overlap else end
        yield Segment(begin, end, first, last, (start,) if first == start else ())


def _on_grid(offset: int, grid: Grid) -> int:
    """The beginning of a batch that is nearest to a frame of a shot."""
    return round((offset + grid.prepend) / grid.step) * grid.step - grid.prepend
