"""From shots to segments: whole shots together, and long shots divided where a batch begins.

A segment can be made without those before it. Where it begins within a shot, the batches before that share frames with
its own are computed again: what a batch gives depends on its frames alone, so they come out the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seedvr2.pipeline.batching import effective_overlap
from seedvr2.pipeline.latent_windows import LatentGrid
from seedvr2.pipeline.sizes import Size

# Frames of a segment: 20 s of a film.
_MOST = 480
# Of a small model less is not worth a new beginning of the encoder.
_LEAST = 24
# Pixels of results for some minutes of work, by whether the model is a large one and whether it runs on a GPU.
_PIXELS = {(False, False): 5e7, (False, True): 2e9, (True, False): 2e6, (True, True): 5e8}
_LARGE = 10**9  # bytes of weights
# How many times the frames that are looked at twice a segment should have; and bytes of the source that may wait.
_WORTH, _WAITING = 8, 1 << 30


def frames_at_a_time(
    size: Size, weights: int, *, gpu: bool, grid: LatentGrid | None = None, frame_bytes: int = 0
) -> int:
    """How many frames a segment should have at most, so that an interruption costs minutes: 480, or fewer.

    The same on each machine of a kind, as segments begin with a key frame. Nothing is measured for it.

    Args:
        size: width and height of the result. weights: bytes of the model.
        grid: where a segment is made in one pass, which looks at some frames twice where it begins within a shot; they
            are not to be many beside its own, unless a frame takes minutes.
        frame_bytes: of the source, which waits in main memory for the end of such a pass.
    """
    large = weights > _LARGE
    frames = min(max(int(_PIXELS[large, gpu] / (size[0] * size[1])), 1 if large else _LEAST), _MOST)
    if grid is None:
        return frames
    patient = large and not gpu
    frames = max(frames, grid.border_frames * (1 if patient else _WORTH))
    return max(min(frames, _WAITING // max(frame_bytes, 1)), grid.border_frames)


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
    def shared(self) -> int:
        """Frames that two batches really share."""
        return effective_overlap(self.window, self.overlap)

    @property
    def step(self) -> int:
        """Frames from the beginning of one batch to that of the next."""
        return self.window - self.shared

    def begin(self, number: int) -> int:
        """The frame of a shot with which a batch begins."""
        return number * self.step - self.prepend

    def number(self, frame: float) -> int:
        """The batch that begins the nearest to a frame of a shot."""
        return round((frame + self.prepend) / self.step)

    def origin(self, number: int, _length: int, _stop: int) -> tuple[int, int]:
        """The frame of the shot, and the batch, with which the computation of a piece begins.

        The frames that a batch shares with those before are coloured together with theirs.
        """
        batch = max(number - -(-self.shared // self.step), 0)
        first = self.begin(batch)
        return (first, batch) if first > 0 else (0, 0)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a source that is made as one piece; frames are counted from 0 over the whole source.

    Attributes:
        start, stop: its frames; the last one is before `stop`.
        first: the frame that its computation begins with, which is an earlier one where it begins within a shot.
        batch: which batch of its shot begins with `first`; 0 where that is where the shot begins.
        shots: the frames from `first` on with which other shots begin.
    """

    start: int
    stop: int
    first: int
    batch: int
    shots: tuple[int, ...]

    @property
    def frames(self) -> int:
        """How many there are."""
        return self.stop - self.start

    @property
    def begins_shot(self) -> bool:
        """Whether its first frame is that of a shot."""
        return self.batch == 0 and self.first == self.start


def divide(shots: Sequence[int], frames: int, most: int, grid: Grid | LatentGrid) -> list[Segment]:
    """The segments of a source.

    Args:
        shots: the frames with which shots begin, ascending from 0.
        frames: in the source.
        most: frames that a segment should have at most; a batch is never divided.
        grid: of the batches, or of the windows over latents, in a shot.
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
    return Segment(shots[0], stop, shots[0], 0, tuple(shots[1:]))


def _parts(start: int, stop: int, most: int, grid: Grid | LatentGrid) -> Iterator[Segment]:
    """A long shot in pieces of about the same length."""
    length = stop - start
    pieces = -(-length // most)
    # Numbers of the batches with which pieces begin.
    begins = sorted({grid.number(length * index / pieces) for index in range(1, pieces)})
    inner = [number for number in begins if 0 < grid.begin(number) < length]
    edges = [0, *(grid.begin(number) for number in inner), length]
    for number, (begin, end) in zip((0, *inner), itertools.pairwise(edges), strict=True):
        first, batch = grid.origin(number, length, end) if number else (0, 0)
        yield Segment(start + begin, start + end, start + first, batch, ())
