"""Parts of the product, each measured in a process of its own that prints its figures as a line of JSON.

python -m benchmarks.parts NAME [ARGUMENT…]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.jobs import Job
from benchmarks.machine import forget_peak, peak_mb, read_through
from benchmarks.models import dit_file, models_folder, vae_file
from benchmarks.networks import timed
from benchmarks.peaks import better, measure_peaks
from benchmarks.runs import clip_of, picture_of
from seedvr2 import colour
from seedvr2.heap import keep_freed_blocks
from seedvr2.model import DTYPES, choose_dtype, load_model
from seedvr2.network.dit import DiT
from seedvr2.network.vae import VideoVAE
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.preprocess import bicubic
from seedvr2.selection import select_model
from seedvr2.upscaler import Upscaler

CPU = torch.device("cpu")
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A measurement of this module, by name and arguments."""

    name: str
    arguments: tuple[str, ...] = ()

    def measure(self) -> Figures:
        """Its figures, from a child process."""
        command = [sys.executable, "-m", "benchmarks.parts", self.name, *self.arguments]
        figures: Figures = json.loads(subprocess.check_output(command))
        return figures


def resize() -> Figures:
    """A bicubic resize of one frame from 640x360 to 1280x720."""
    image = torch.rand(1, 3, 360, 640) * 255
    return timed([_seconds(lambda: bicubic(image, (1280, 720))) for _ in range(10)])


def lab() -> Figures:
    """The colour correction `lab` of five frames of 1920x1080; seconds are per frame."""
    content, style = (torch.rand(5, 3, 1080, 1920) * 2 - 1 for _ in range(2))
    colour.correct("lab", content, style)
    return timed([_seconds(lambda: colour.correct("lab", content, style)) / len(content) for _ in range(3)])


def load(precision: str) -> Figures:
    """Loading 3B and VAE from files that are in the system's memory, and what is resident then."""
    name = dit_file("3b", precision).name
    for path in (dit_file("3b", precision), vae_file()):
        read_through(path)
    forget_peak()
    before, times = _resident_mb(), []
    for _ in range(3):
        model = None  # not two at a time
        started = time.perf_counter()
        files = select_model(name, models_folder(), CPU)
        model = load_model(files, models_dir=models_folder(), device=CPU, dtype=choose_dtype("auto", CPU))
        times.append(time.perf_counter() - started)
    assert model is not None
    resident = {f"{kind}_mb": round(now - before[kind]) for kind, now in _resident_mb().items()}
    return {**timed(times), **resident, "weights_mb": round(model.resident_bytes / 1e6)}


def start() -> Figures:
    """Starting the engine's process until it can be asked, as the daemon does it."""
    from daemon.engine.child_executor import ChildExecutor
    from daemon.settings.keys import ModelSettings

    times = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            executor = ChildExecutor(Path(folder), ModelSettings(gpu="none"))
            times.append(_seconds(executor.prepare))
            child = peak_mb(executor.pid or 0)
            executor.unload()
    return {**timed(times), "peak_mb": round(child)}


def upscale(model: str, frames: int, width: int, height: int, resolution: int, dtype: str = "auto") -> Figures:
    """A whole job in this process, its model in memory, and where its time went.

    `model` is `nano`, or the precision of the 3B.
    `outside_s` is what neither the VAE nor the transformer took: reading, resizing, colours, writing.
    """
    flop = Job((width, height), frames, resolution, "" if model == "nano" else model).flop()
    if model != "nano":
        model = dit_file("3b", model).name
    upscaler = Upscaler(models_folder(), device="cpu", dtype=dtype)
    upscaler.load(model)
    with tempfile.TemporaryDirectory() as name, _timed_networks() as spent:
        folder = Path(name)
        source = _source(folder, frames, (width, height))
        forget_peak()
        options = UpscaleOptions(resolution=resolution)
        started = time.perf_counter()
        result = upscaler.upscale(source, folder / f"out{source.suffix}", options, model=model)
        seconds = time.perf_counter() - started
    outside = seconds - sum(spent.values())
    return {
        **timed([seconds]),
        "warm_up": "none",
        "necessary_tflop": None if flop is None else flop / 1e12,
        **{f"{stage}_s": round(spent[stage], 3) for stage in ("encode", "transformer", "decode")},
        "outside_s": round(outside, 3),
        "outside_share": round(outside / seconds, 4),
        "frames": result.frames,
        "s_per_frame": round(seconds / result.frames, 4),
        "s_per_megapixel": round(seconds / result.frames / (result.width * result.height / 1e6), 3),
        "tiled": result.tiled,
        "peak_mb": round(peak_mb()),
    }


def _source(folder: Path, frames: int, size: tuple[int, int]) -> Path:
    return picture_of(folder / "in.png", size) if frames == 1 else clip_of(folder / "in.mp4", frames, size)


@contextmanager
def _timed_networks() -> Iterator[dict[str, float]]:
    """Seconds that the networks take within, by stage."""
    spent: dict[str, float] = defaultdict(float)
    methods = (
        *((VideoVAE, "encode", "encode"), (VideoVAE, "decode", "decode"), (DiT, "forward", "transformer")),
        # A part of a shot in one pass, made as it is asked for.
        *((VideoVAE, "encoding", "encode"), (VideoVAE, "decoding", "decode")),
    )
    originals = [getattr(owner, name) for owner, name, _ in methods]

    def timing(method: Callable[..., object], stage: str) -> Callable[..., object]:
        def run(*arguments: object, **named: object) -> object:
            started = time.perf_counter()
            try:
                made = method(*arguments, **named)
            finally:
                spent[stage] += time.perf_counter() - started
            return each(made, stage) if isinstance(made, Iterator) else made

        return run

    def each(made: Iterator[object], stage: str) -> Iterator[object]:
        while True:
            started = time.perf_counter()
            try:
                item = next(made)
            except StopIteration:
                return
            finally:
                spent[stage] += time.perf_counter() - started
            yield item

    for (owner, name, stage), original in zip(methods, originals, strict=True):
        setattr(owner, name, timing(original, stage))
    try:
        yield spent
    finally:
        for (owner, name, _), original in zip(methods, originals, strict=True):
            setattr(owner, name, original)


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _resident_mb() -> dict[str, float]:
    """What of this process is resident: its own, and mapped from files."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        kind: int(lines[field].split()[0]) * 1024 / 1e6
        for kind, field in (("resident_own", "RssAnon"), ("resident_mapped", "RssFile"))
    }


def main() -> None:
    """Measure one part and print it."""
    keep_freed_blocks()  # as the engine's entry does
    name, *arguments = sys.argv[1:]
    parts: dict[str, Callable[..., Figures]] = {
        "resize": resize, "lab": lab, "load": load, "start": start, "upscale": upscale
    }  # fmt: skip
    dtype = choose_dtype(next((word for word in arguments if word in DTYPES), "auto"), CPU)
    peaks = measure_peaks(dtype)
    forget_peak()
    figures = parts[name](*(int(word) if word.isdigit() else word for word in arguments))
    common = {"dtype": str(dtype).removeprefix("torch."), "peak_mb": round(peak_mb())}
    print(json.dumps({**common, **figures, **better(peaks, measure_peaks(dtype))}))


if __name__ == "__main__":
    main()
