"""Whole jobs, as a user has them: a file in, a file out, by the command line or through a real daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from benchmarks.daemons import daemon
from benchmarks.machine import descendants, peak_mb
from benchmarks.models import dit_file, models_folder
from benchmarks.necessary import clip_flop
from benchmarks.peaks import better
from benchmarks.random_checkpoint import TEXT_SHAPE
from benchmarks.runs import clip_of, measured, picture_of
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.planning.published import DIT_3B, VAE

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Job:
    """One upscale.

    Attributes:
        size: width and height of the source. frames: of a clip; a picture where there is one.
        resolution: short edge of the result.
        precision: of the 3B that does it; empty: nano, whose necessary arithmetic is not known (what the zeros of its
            weights make superfluous is not in its configuration).
        service: through a daemon that has just started, its model not in memory, or else by the command line.
    """

    size: tuple[int, int]
    frames: int
    resolution: int
    precision: str = ""
    service: bool = False

    def flop(self) -> int | None:
        """Operations that are necessary; None where that is not known."""
        if not self.precision:
            return None
        width, height = plan_sizes(*self.size, self.resolution).padded
        return clip_flop(VAE, DIT_3B, self.frames, (height, width), TEXT_SHAPE[0])

    def measure(self) -> dict[str, Any]:
        """Seconds and peak of memory of the process that computes, and what this processor reaches at the moment."""
        model = dit_file("3b", self.precision).name if self.precision else "nano"
        before = _peaks()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            source = self._source(folder)
            figures = (self._by_service if self.service else self._by_command_line)(folder, source, model)
        after, flop = _peaks(), self.flop()
        return {
            **figures,
            "best_of": 1,
            "frames": self.frames,
            "necessary_tflop": None if flop is None else flop / 1e12,
            "dtype": before.pop("dtype"),
            **better(before, after),
        }

    def _source(self, folder: Path) -> Path:
        if self.frames == 1:
            return picture_of(folder / "in.png", self.size)
        return clip_of(folder / "in.mp4", self.frames, self.size)

    def _by_command_line(self, folder: Path, source: Path, model: str) -> dict[str, Any]:
        options = ("--model", model, "--models-dir", models_folder(), "--resolution", str(self.resolution), "--quiet")
        usage = measured("upscale", source, folder / f"out{source.suffix}", *options)
        return {
            "seconds": round(usage.seconds, 2), "peak_mb": round(usage.peak_mb), "cpu_s": round(usage.cpu_s, 1)
        }  # fmt: skip

    def _by_service(self, folder: Path, source: Path, model: str) -> dict[str, Any]:
        with daemon(folder, self.resolution, models_folder()) as url:
            started = time.perf_counter()
            with source.open("rb") as stream:
                form = {"dit_model": model, "resolution": str(self.resolution)}
                answer = requests.post(f"{url}/api/process", files={"file": stream}, data=form, timeout=60)
            answer.raise_for_status()
            job = _ended(url, str(answer.json()["task_id"]))
            seconds = time.perf_counter() - started
            if job["status"] != "completed":
                raise RuntimeError(f"The job {job['status']}: {job.get('error')}")
            # The engine is the largest of the daemon's processes; the daemon is the only child of this one.
            (service, *engines) = descendants(os.getpid())
            return {
                "seconds": round(seconds, 2),
                "process_s": job["process_time"],
                "peak_mb": round(max(map(peak_mb, engines))),
                "service_peak_mb": round(peak_mb(service)),
            }


def _peaks() -> dict[str, Any]:
    """From a process of its own, with `dtype`, what the networks compute in here."""
    found: dict[str, Any] = json.loads(subprocess.check_output([sys.executable, "-m", "benchmarks.peaks"]))
    return found


def _ended(url: str, task: str) -> dict[str, Any]:
    while True:
        job: dict[str, Any] = requests.get(f"{url}/api/status/{task}", timeout=60).json()
        if job["status"] not in ("queued", "processing"):
            return job
        time.sleep(_POLL_S)
