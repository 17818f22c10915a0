"""A video of sixty segments whose process is killed fifty times, from its first instant to the join."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from seedvr2.segments.folder import folder_beside
from seedvr2.segments.journal import NAME
from tests.faults.test_long_job import SEGMENTS, clip, packets

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
KILLS = 50
CHILD = """
import sys
from pathlib import Path
from seedvr2 import UpscaleOptions, Upscaler
from seedvr2 import attempts
attempts.frames_at_a_time = lambda *_args, **_more: 1
source, target = map(Path, sys.argv[1:])
print("ready", flush=True)
upscaler = Upscaler(Path("none"), device="cpu", dtype="float32", default_model="nano")
upscaler.upscale(source, target, UpscaleOptions(resolution=180, batch_size=1))
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that an undisturbed run takes: to its first segment, for each, and from the last to its end."""

    begin: float
    segment: float
    end: float


def lines(target: Path) -> int:
    """How many segments are recorded."""
    path = folder_beside(target) / NAME
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


class Run:
    """The upscale, as a process of its own."""

    def __init__(self, source: Path, target: Path) -> None:
        command = [sys.executable, "-c", CHILD, str(source), str(target)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self._target = target
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None and self._process.stdout.readline() == "ready\n"

    def until(self, segments: int) -> bool:
        """Wait for this many; False if it ended before."""
        while self._process.poll() is None:
            if lines(self._target) >= segments:
                return True
            time.sleep(0.002)
        return False

    def kill(self) -> bool:
        """SIGKILL; whether that is what ended it."""
        self._process.kill()
        return self.end() == -9

    def end(self) -> int:
        """Wait for it; its status."""
        with self._process:
            return self._process.wait(600)


def pace(source: Path, target: Path) -> Pace:
    run, started = Run(source, target), time.monotonic()
    assert run.until(1)
    first = time.monotonic()
    assert run.until(SEGMENTS)
    last = time.monotonic()
    assert run.end() == 0
    return Pace(first - started, (last - first) / (SEGMENTS - 1), time.monotonic() - last)


def test_a_process_that_is_killed_fifty_times(tmp_path: Path) -> None:
    """killed at random 50 times during a video of 60 segments with sound and subtitles: each to the last byte"""
    source = clip(tmp_path)
    whole = tmp_path / "whole.mkv"
    measured = pace(source, whole)
    target = tmp_path / "out.mkv"
    chance = random.Random(KILLS)
    killed, reached = 0, 0
    for number in range(KILLS):
        run = Run(source, target)
        # Two at the very beginning, two during the join, the others all along.
        wanted = min(number * SEGMENTS // (KILLS - 3), SEGMENTS)
        length = measured.begin if number < 2 else measured.end / 2 if wanted == SEGMENTS else measured.segment
        if not run.until(wanted) or target.exists():
            run.end()
            break
        time.sleep(chance.uniform(0, length))
        killed += run.kill()
        assert lines(target) >= min(reached, SEGMENTS) or target.exists(), "what was recorded is there still"
        reached = lines(target)
    if not target.exists():
        assert Run(source, target).end() == 0
    assert killed >= KILLS - 2, "all but what came too late for a run that was at its end"
    found = packets(target)
    assert found == packets(whole) and set(found) == {"video", "audio", "subtitle"}
    assert len(found["video"]) == SEGMENTS
