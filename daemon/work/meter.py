"""Turns the engine's stages and frames into a percentage that never goes back, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from daemon.jobs.job import Job, Progress
from seedvr2.progress import Segments

OnProgress = Callable[[Progress], None]
# Seconds between two notes of how far a job is.
NOTE_S = 2.0
# Stages before the frames.
_BEFORE = ("sending", "downloading", "scanning", "loading")


class Meter:
    """Called by the engine as an `OnProgress` of the executor.

    Args:
        on_progress: gets each new `Progress`.
        on_reached: gets the number of frames done, every few seconds and at the first.
    """

    def __init__(self, job: Job, on_progress: OnProgress, on_reached: Callable[[int], None]) -> None:
        self._on_progress = on_progress
        self._on_reached = on_reached
        self._latest = Progress.of(job)
        self._first: tuple[float, float] | None = None
        self._segments = Segments(job.segments_done, job.segments_total, 1.0)
        self._noted_at, self._noted = 0.0, 0

    def __call__(
        self, stage: str, done: int, total: int | None, share: float | None, segments: Segments | None = None, /
    ) -> None:
        now, share = time.monotonic(), min(share or 0.0, 1.0)
        if self._first is None and stage not in _BEFORE:
            self._first = now, share
        seconds = None
        if self._first and share > self._first[1]:
            # Of the whole.
            seconds = (now - self._first[0]) / (share - self._first[1])
        if segments is not None:
            self._segments = segments
        self._latest = replace(
            self._latest,
            # 100 is only said of a job whose result is in its place.
            percent=max(min(int(100 * share), 99), self._latest.percent),
            stage=stage,
            frames_done=done,
            frames_total=total,
            eta_s=None if seconds is None else seconds * (1 - share),
            segments_done=self._segments.done,
            segments_total=self._segments.total,
            border_s=None if seconds is None else seconds * max(self._segments.border - share, 0.0),
        )
        if done > self._noted and now - self._noted_at >= NOTE_S:
            self._noted_at, self._noted = now, done
            self._on_reached(done)
        self._on_progress(self._latest)
