"""What benchmarks share: clips of any length, and a child process that is measured."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

CLIP = Path(__file__).parent / "assets" / "city.mp4"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a child process took: seconds from its start to its end, most memory in MB, seconds of processor time."""

    seconds: float
    peak_mb: float
    cpu_s: float


def images_of(path: Path) -> list[Image.Image]:
    """The frames of a video or picture."""
    with av.open(str(path), "r") as source:
        return [Image.fromarray(frame.to_ndarray(format="rgb24")) for frame in source.decode(video=0)]


def clip_of(path: Path, frames: int, size: tuple[int, int]) -> Path:
    """The demo clip, forwards and backwards until it is `frames` long, at `size`."""
    images = [image.resize(size) for image in images_of(CLIP)]
    images += images[-2:0:-1]
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(frames):
            frame = np.asarray(images[index % len(images)])
            target.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        target.mux(stream.encode())
    return path


def picture_of(path: Path, size: tuple[int, int]) -> Path:
    """The first frame of the demo clip, at `size`."""
    images_of(CLIP)[0].resize(size).save(path)
    return path


def measured(*arguments: str | Path, env: dict[str, str] | None = None) -> Usage:
    """Run `python -m seedvr2 …` to its end; raises CalledProcessError if it fails."""
    command = [sys.executable, "-m", "seedvr2", *map(str, arguments)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    code = process.returncode = os.waitstatus_to_exitcode(status)
    if code:
        raise subprocess.CalledProcessError(code, command)
    return Usage(seconds, usage.ru_maxrss * 1024 / 1e6, usage.ru_utime + usage.ru_stime)
