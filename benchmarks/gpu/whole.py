"""Step 9: whole pictures and clips at default options, in seconds a frame."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.jobs import Session, random_frames
from benchmarks.gpu.rows import Row, equal, fact, guarded, measured, not_run
from benchmarks.gpu.weights import TOO_LARGE, model_bytes
from seedvr2.model import release_memory
from seedvr2.options import UpscaleOptions


def rows(bench: Bench) -> Iterator[Row]:
    """Each model over pictures and clips."""
    for params, precision in bench.scale.models:
        yield from guarded(f"{params} {precision}", of_model(bench, params, precision))
        release_memory()


def of_model(bench: Bench, params: str, precision: str) -> Iterator[Row]:
    """Pictures first, then clips, as many as the model's part of the time allows."""
    models = bench.scale.models
    if model_bytes(bench, params, precision) > bench.room():
        yield not_run(f"{params} {precision}", TOO_LARGE)
        return
    others = bench.left() * (1 - 1 / (len(models) - models.index((params, precision))))
    session = Session(bench, params, precision)
    pace = 0.0  # of the slowest so far: seconds a frame, over the square of its short edge
    for frames in (1, bench.scale.whole_frames):
        for name, resolution in bench.scale.whole:
            case = f"{params} {precision}, {name} {'picture' if frames == 1 else f'{frames} frames'}"
            if bench.left() - pace * frames * resolution**2 < others:
                yield not_run(case, "there was not enough time left for it (--patience)")
                continue
            source = random_frames(frames, _half(bench.scale.source, resolution))
            outcome = session.run(source, UpscaleOptions(resolution=resolution))
            seconds = outcome.seconds / frames
            pace = max(pace, seconds / resolution**2)
            yield measured(f"{case}: time a frame", seconds, "s")
            yield fact(f"{case}: plan", f"{outcome.plan}, {outcome.retries} retries")
            yield equal(f"{case}: undefined values", outcome.undefined, 0)


def _half(shape: tuple[int, int], resolution: int) -> tuple[int, int]:
    """The size (width, height) of a source of that shape that becomes `resolution` when it is twice as large."""
    width, height = shape
    return resolution // 2 * width // height, resolution // 2
