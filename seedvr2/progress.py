"""How far an upscale has come."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# What each stage takes of a batch's time, roughly: the VAE is the job, the transformer a small part of it.
_SHARES = {"encoding": (0.0, 0.3), "restoring": (0.3, 0.15), "decoding": (0.45, 0.5), "writing": (0.95, 0.05)}


@dataclass(frozen=True, slots=True)
class Segments:
    """How many segments of a video are finished, of how many.

    `border` is the share of the whole, 0…1, that is done when the present one is finished: work can give way there.
    """

    done: int
    total: int
    border: float


@dataclass(frozen=True, slots=True)
class Progress:
    """One report.

    Attributes:
        stage: `scanning` (for shots), `loading`, `encoding`, `restoring`, `decoding` or `writing`.
        frames_done: finished frames of the result.
        frames_total: frames in all, as far as the container says; None if it does not.
        work_done: frames, with the share of the batch that is being worked on; never falls.
        segments: of a video, once its plan is made.
    """

    stage: str
    frames_done: int
    frames_total: int | None
    work_done: float
    segments: Segments | None = None

    @property
    def fraction(self) -> float | None:
        """Share of the whole that is done, 0…1; None where the number of frames is not known."""
        if not self.frames_total:
            return None
        return min(self.work_done / self.frames_total, 1.0)


OnProgress = Callable[[Progress], None]


class ProgressMeter:
    """Turns the stages of batches into reports about the whole."""

    def __init__(
        self,
        report: OnProgress,
        frames_total: int | None,
        batch_step: int,
        held: int = 0,
        done: int = 0,
        borders: Sequence[int] = (),
    ) -> None:
        """`batch_step`: frames that a batch adds at most. `held`: how many of them wait for the next one.

        `done`: frames that earlier runs have finished. `borders`: of a video, how many frames are finished at the end
        of each segment: first of those that earlier runs made, then of the others in the order of their making.
        """
        self._report = report
        self._total = frames_total
        self._step = batch_step
        self._frames = self._before = done
        self._held = held
        self._batches = -1
        self._begun = done
        self._borders = borders
        self._work = float(done)

    def begin(self, step: int, held: int = 0) -> None:
        """What follows comes in pieces of `step` frames, of which `held` wait for the next one."""
        self._step, self._held = step, held
        self._before, self._batches = self._frames, -1

    def stage(self, name: str, share: float) -> None:
        """`share` (0…1) of stage `name` of the present batch is done."""
        if name == "encoding" and share == 0.0:
            self._batches += 1
            # Where a shot ends, batches are shorter.
            self._begun = min(self._before + self._batches * self._step, self._frames + self._held)
        start, width = _SHARES[name]
        self._tell(name, self._begun + (start + width * share) * self._step)

    def frame(self) -> None:
        """One more frame of the result is written."""
        self._frames += 1
        self._tell("writing", float(self._frames))

    def _tell(self, stage: str, work: float) -> None:
        self._work = max(self._work, min(work, self._total) if self._total else work)
        self._report(Progress(stage, self._frames, self._total, self._work, self._segments()))

    def _segments(self) -> Segments | None:
        if not self._borders or not self._total:
            return None
        done = bisect_right(self._borders, self._frames)
        border = self._borders[done] if done < len(self._borders) else self._total
        return Segments(done, len(self._borders), border / self._total)
