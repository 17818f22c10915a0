"""What the command line shows: a progress bar, and a plan in words."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from seedvr2.planning.forecast import Forecast
from seedvr2.progress import Progress
from seedvr2.units import gigabytes

_WIDTH = 28


class ProgressBar:
    """Frames, speed and time left on one line of the terminal; a line every ten per cent where it is no terminal."""

    def __init__(self, name: str, *, quiet: bool = False) -> None:
        self._name = name
        self._quiet = quiet
        self._started = time.monotonic()
        self._shown = 0.0
        self._next_share = 0.1
        self._terminal = sys.stderr.isatty()

    def __call__(self, progress: Progress) -> None:
        """Show a report, at most ten times a second."""
        if progress.stage in ("scanning", "loading"):
            self._started = time.monotonic()
        now, share = time.monotonic(), progress.fraction or 0.0
        if self._quiet:
            return
        if self._terminal and now - self._shown >= 0.1:
            self._shown = now
            print(f"\r\x1b[2K{self._line(progress, now)}", end="", file=sys.stderr, flush=True)
        elif not self._terminal and share >= self._next_share:
            self._next_share = share + 0.1
            print(self._line(progress, now), file=sys.stderr)

    def close(self) -> None:
        """Leave the line."""
        if self._terminal and not self._quiet:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)

    def _line(self, progress: Progress, now: float) -> str:
        share = progress.fraction
        elapsed = max(now - self._started, 1e-6)
        total = str(progress.frames_total or "?")
        filled = round((share or 0.0) * _WIDTH)
        speed = progress.work_done / elapsed
        left = ""
        if share and elapsed > 2:
            left = f", {clock(elapsed * (1 - share) / share)} left"
        return (
            f"{self._name[:32]} [{'█' * filled}{'·' * (_WIDTH - filled)}] {progress.frames_done}/{total} frames, "
            f"{speed:.2f} fps{left} ({progress.stage})"
        )


def describe_plan(source: Path, plan: Forecast, *, explain: bool = False) -> str:
    """A plan as a few lines of text; with the reasons of each choice if `explain`."""
    frames = "?" if plan.frames is None else str(plan.frames)
    batches = "?" if plan.batches is None else str(plan.batches)
    tiles = f"{plan.tiles} of {plan.tile} pixels" if plan.tile else "none, whole frames"
    time_left = "unknown, the file does not say how many frames it has"
    if plan.seconds is not None:
        time_left = f"about {clock(plan.seconds)} (a rough estimate for this device)"
    fits = "fits" if plan.fits else "DOES NOT FIT"
    return "\n".join(
        (
            f"{source.name}",
            f"  model    {plan.model}",
            f"  size     {_size(plan.source_size)} to {_size(plan.output_size)}",
            f"  frames   {frames}, in {batches} batches of {plan.batch_frames}",
            f"  tiles    {tiles}",
            *_swapped(plan),
            f"  memory   {gigabytes(plan.peak_bytes)} at the peak, {gigabytes(plan.weights_bytes)} of it weights; "
            f"{gigabytes(plan.free_bytes)} free: {fits}",
            *([f"  disk     {plan.disk.words()}"] if plan.disk else []),
            f"  time     {time_left}",
            *(f"  why      {reason}" for reason in plan.reasons if explain),
        )
    )


def _swapped(plan: Forecast) -> Iterator[str]:
    if plan.blocks_to_swap:
        more = ", and the VAE while the transformer works" if plan.in_turn else ""
        yield f"  weights  {plan.blocks_to_swap} blocks wait in main memory{more}"


def clock(seconds: float) -> str:
    """Seconds as 42 s, 3:05 or 1:02:03."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, whole = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes}:{whole:02}"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
