"""What the engine was asked for, and the stretches of frames that it is done in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Self

from seedvr2.errors import Cancelled, Yielded
from seedvr2.media import Frame, Sink
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.batching import effective_overlap
from seedvr2.pipeline.latent_windows import Part
from seedvr2.planning.plan import Plan
from seedvr2.progress import OnProgress, Progress
from seedvr2.segments.frozen import FrozenPlan
from seedvr2.segments.runs import Run
from seedvr2.selection import ModelFiles

IsCancelled = Callable[[], bool]


@dataclass(slots=True)
class Task:
    """What was asked for; `plan` is how it is done, as soon as that is known."""

    source: Path
    target: Path
    options: UpscaleOptions
    files: ModelFiles
    keep: Path | None
    report: OnProgress
    stop: IsCancelled
    give_way: IsCancelled
    plan: Plan | None = None

    @classmethod
    def of(
        cls,
        source: Path,
        target: Path,
        options: UpscaleOptions,
        files: ModelFiles,
        *,
        report: OnProgress | None = None,
        stop: IsCancelled | None = None,
        give_way: IsCancelled | None = None,
        keep: Path | None = None,
    ) -> Self:
        """A task about which nobody may want to know, and which nobody may want to stop, or others to go before."""
        return cls(
            source,
            target,
            options,
            files,
            keep,
            report or (lambda _progress: None),
            stop or (lambda: False),
            give_way or (lambda: False),
        )

    def check(self, *_counts: int) -> None:
        """Raise `Cancelled` if it is not wanted any more."""
        if self.stop():
            raise Cancelled(f"{self.source.name} was cancelled; nothing was written.")

    def pause(self) -> None:
        """As `check`, and raise `Yielded` if others are to go first. Only where no work is lost by it."""
        self.check()
        if self.give_way():
            raise Yielded(f"{self.source.name} gave way; what is finished of it is kept.")

    def scanning(self, frames: int | None, seen: int) -> None:
        """Report that its shots are looked for, in so many frames, of which some were seen; errors as for `pause`."""
        if seen:
            self.pause()
        else:
            # Who gave way before anything was seen would never get on.
            self.check()
        self.report(Progress("scanning", 0, frames, 0.0))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames that are restored in one go, and where they go to.

    Attributes:
        shots, batch: as for `restore_stream`. unused: frames that are restored first for the others' sake alone.
        limit: how many to restore; all there are, if it is None.
        parts: where batches are stitched, the parts of shots that the frames are, as for `stitch`.
        borders: how many frames are written when a segment ends, the last one of the stretch left out.
    """

    frames: Iterator[Frame]
    sink: Sink
    shots: Sequence[int] | None = None
    parts: Sequence[tuple[int, Part]] = ()
    batch: int = 0
    unused: int = 0
    limit: int | None = None
    borders: frozenset[int] = frozenset()


def stretch_of(run: Run, source: Iterator[Frame], sink: Sink, plan: FrozenPlan) -> Stretch:
    """`source`: frames from the first of the run on."""
    frames, shared = plan.frames, effective_overlap(plan.settings.window, plan.settings.overlap)
    borders = frozenset(list(accumulate(segment.frames for _, segment in run.segments))[:-1])
    if plan.grid:
        parts = tuple(run.parts(plan.grid, frames))
        return Stretch(
            source, sink, parts=parts, limit=run.stop - run.start if run.stop < frames else None, borders=borders
        )
    # The first batch leaves out what it shares with the one before.
    begins = run.first + (shared if run.batch else 0)
    return Stretch(
        source,
        sink,
        shots=run.shots,
        batch=run.batch,
        unused=run.start - begins,
        # To the end of the source, where there may be something to warn of.
        limit=run.stop - begins if run.stop < frames else None,
        borders=borders,
    )
