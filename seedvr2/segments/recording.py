"""The restored frames of a stretch of a video on their way into segments, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from seedvr2.errors import MediaError
from seedvr2.media import Frame, Pixels, Sink
from seedvr2.media.failures import writing
from seedvr2.media.videos.segment_sink import SegmentSink
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.segments.cutting import Segment
from seedvr2.segments.frozen import FrozenPlan
from seedvr2.segments.journal import Done


class Ledger(Protocol):
    """Where segments are while they are made, and what is noted of those that are done."""

    def part(self, index: int) -> Path:
        """The file to write a segment into."""

    def add(self, index: int, frames: int, seconds: float, warnings: tuple[str, ...]) -> Done:
        """Take it over, complete as it is."""


def segment_opener(plan: FrozenPlan, clip: VideoSource, name: str) -> Callable[[Path], SegmentSink]:
    """What begins the file of a segment of a plan. `name`: of the result, for messages."""
    width, height = plan.size
    return partial(
        SegmentSink,
        suffix=plan.suffix,
        source=clip,
        width=width,
        height=height,
        wish=plan.options.wish,
        name=name,
    )


class SegmentRecorder(Sink):
    """Takes the frames of segments that follow one another; each is recorded as soon as its last frame is there."""

    def __init__(
        self,
        name: str,
        segments: Sequence[tuple[int, Segment]],
        journal: Ledger,
        open_part: Callable[[Path], SegmentSink],
        told: Callable[[], tuple[str, ...]],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Begins the first one at once.

        Args:
            name: of the result, for messages. segments: with their numbers.
            open_part: begins the file of one. told: the warnings that there are so far, kept with each segment.
            check: called before a segment is recorded; raises where it must not be.
        """
        super().__init__()
        self._name, self._journal, self._open, self._told = name, journal, open_part, told
        self._check = check
        self._left = list(segments)
        self._part: SegmentSink | None = None
        self._begin()

    def write(self, image: Pixels, frame: Frame) -> None:
        """See `Sink.write`."""
        if self._part is None:
            raise self._miscounted("more")
        self._part.write(image, frame)
        _, segment = self._left[0]
        if self._part.frames == segment.frames:
            self._record(self._part)
            self._begin()

    def close(self) -> None:
        """See `Sink.close`."""
        if self._left:
            self.abort()
            raise self._miscounted("fewer")

    def abort(self) -> None:
        """See `Sink.abort`; segments that are recorded stay."""
        if self._part is not None:
            part, self._part = self._part, None
            part.abort()

    def _begin(self) -> None:
        if self._left:
            self._since = time.monotonic()
            self._part = self._open(self._journal.part(self._left[0][0]))
            self.bit_depth = self._part.bit_depth

    def _record(self, part: SegmentSink) -> None:
        index, _segment = self._left.pop(0)
        self._part = None
        part.close()
        self._check()
        with writing(self._name):
            warnings = tuple(dict.fromkeys((*self._told(), *part.warnings)))
            self._journal.add(index, part.frames, time.monotonic() - self._since, warnings)

    def _miscounted(self, what: str) -> MediaError:
        return MediaError(
            f"{self._name}: the source gave {what} frames than when they were counted; check that it does not change "
            "and that its disk is sound, and start again."
        )
