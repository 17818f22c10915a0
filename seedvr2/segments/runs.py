"""Segments that are made in one go."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator
from dataclasses import dataclass

from seedvr2.pipeline.latent_windows import LatentGrid, Part
from seedvr2.segments.cutting import Segment
from seedvr2.segments.frozen import FrozenPlan


@dataclass(frozen=True, slots=True)
class Run:
    """Segments that are made in one go, with their numbers; `begins` are the first frames of all shots of the video."""

    segments: tuple[tuple[int, Segment], ...]
    begins: tuple[int, ...]

    @property
    def first(self) -> int:
        """The frame of the source that the computation begins with."""
        return self.segments[0][1].first

    @property
    def start(self) -> int:
        """The first frame that is kept."""
        return self.segments[0][1].start

    @property
    def stop(self) -> int:
        """The frame after the last one that is kept."""
        return self.segments[-1][1].stop

    @property
    def shots(self) -> tuple[int, ...]:
        """The frames after the first with which shots begin, counted from the first; also those after the end.

        The end may lie within a shot, and the last batch looks beyond it.
        """
        return tuple(begin - self.first for begin in self.begins if begin > self.first)

    def parts(self, grid: LatentGrid, frames: int) -> Iterator[tuple[int, Part]]:
        """The parts of shots that are made, with the first frames of those shots; `frames`: of the video."""
        for _, segment in self.segments:
            start = segment.start
            for stop in (*segment.shots, segment.stop):
                place = max(begin for begin in self.begins if begin <= start)
                end = min((begin for begin in self.begins if begin > start), default=frames)
                yield place, grid.part(end - place, start - place, stop - place)
                start = stop

    @property
    def batch(self) -> int:
        """Which batch of its shot begins with the first frame."""
        return self.segments[0][1].batch


def runs_of(plan: FrozenPlan, done: Container[int]) -> Iterator[Run]:
    """What is to be made of a plan, in as few pieces as possible; `done`: the numbers of segments that are not."""
    segments, stitched = plan.segments, plan.grid is not None
    begins = {shot for segment in segments for shot in segment.shots}
    begins |= {segment.start for segment in segments if segment.begins_shot}
    shots = tuple(sorted(begins))
    for made, group in itertools.groupby(enumerate(segments), lambda each: each[0] in done):
        if not made:
            for run in _apart(tuple(group)) if stitched else (tuple(group),):
                yield Run(run, shots)


def _apart(group: tuple[tuple[int, Segment], ...]) -> Iterator[tuple[tuple[int, Segment], ...]]:
    """A segment that begins within a shot by itself: it comes out alike whether or not the one before was made last."""
    begin = 0
    for place, (_, segment) in enumerate(group):
        if place > begin and not segment.begins_shot:
            yield group[begin:place]
            begin = place
    yield group[begin:]
