"""Jobs on tensors alone: frames in, frames out, the way that the engine goes between reading and writing a file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.estimates import Plan, Wanted, first_plan, smaller_plan
from benchmarks.gpu.weights import model_bytes, random_model
from seedvr2.model import Model, release_memory
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.sizes import Sizes, sizes_of
from seedvr2.pipeline.source_frames import Image
from seedvr2.pipeline.stream import restore_stream, to_integer
from seedvr2.trouble import is_out_of_memory


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job gave.

    Attributes:
        frames: how many came out. undefined: values in them that are not finite.
        plan: what it ended with. retries: how often it ran out of memory before.
        seconds: of the run that ended, loading left out.
    """

    frames: int
    undefined: int
    plan: Plan
    retries: int
    seconds: float


def random_frames(count: int, size: tuple[int, int]) -> list[Image]:
    """Frames (height, width, 3) of noise in uint8, for a `size` of (width, height)."""
    generator = np.random.default_rng(0)
    width, height = size
    return [generator.integers(0, 256, (height, width, 3)).astype(np.uint8) for _ in range(count)]


class Session:
    """Runs jobs with one model, which stays in memory between them as long as the plans agree on where it is."""

    def __init__(self, bench: Bench, params: str, precision: str) -> None:
        self._bench, self._params, self._precision = bench, params, precision
        self._model: Model | None = None
        self._blocks_to_swap = 0

    def plan(self, size: tuple[int, int], frames: int, options: UpscaleOptions) -> tuple[Wanted, Plan]:
        """A job whose source has that size (width, height), and how it would be run now."""
        scale = self._bench.scale
        weights = model_bytes(self._bench, self._params, self._precision)
        wanted = Wanted(
            device=self._bench.device,
            dit=scale.dits[self._params],
            vae=scale.vae,
            precision=self._precision,
            dtype=self._bench.dtype,
            source=size,
            size=self._sizes(size, options).padded,
            frames=frames,
            options=options,
            weights=weights,
            loaded=weights if self._model else 0,
        )
        return wanted, first_plan(wanted)

    def load(self, plan: Plan) -> Model:
        """The model, placed as `plan` has it."""
        if self._model is None or self._blocks_to_swap != plan.blocks_to_swap:
            self._model = None
            release_memory()
            self._model = random_model(self._bench, self._params, self._precision, blocks_to_swap=plan.blocks_to_swap)
            self._blocks_to_swap = plan.blocks_to_swap
        return self._model

    def run(self, frames: Sequence[Image], options: UpscaleOptions) -> Outcome:
        """Upscale frames; again, with a smaller plan, wherever memory runs out.

        Raises:
            OutOfMemoryError: no plan fits.
        """
        height, width = frames[0].shape[:2]
        wanted, plan = self.plan((width, height), len(frames), options)
        retries = 0
        while True:
            try:
                return self._attempt(frames, options, plan, retries)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Not while the error is being handled: its frames hold the tensors of the attempt.
            release_memory()
            plan, retries = smaller_plan(plan, wanted), retries + 1

    def _attempt(self, frames: Sequence[Image], options: UpscaleOptions, plan: Plan, retries: int) -> Outcome:
        model = self.load(plan)
        height, width = frames[0].shape[:2]
        settings = StreamSettings(self._sizes((width, height), options), batch_size=plan.window)
        if not plan.in_turn:
            model.dit.onload()
            model.vae.onload()
        roomy = plan.planned is not None and plan.planned.roomy
        restore = RestoreSettings(seed=options.seed, tiling=plan.tiling, in_turn=plan.in_turn, roomy=roomy)
        restorer = BatchRestorer(model, restore)
        done, undefined = 0, torch.zeros((), dtype=torch.int64, device=model.device)
        started = time.perf_counter()
        for _, result in restore_stream(frames, lambda frame: frame, restorer, settings):
            undefined += (~torch.isfinite(result)).sum()
            to_integer(result, 8)
            done += 1
        return Outcome(done, int(undefined), plan, retries, time.perf_counter() - started)

    def _sizes(self, size: tuple[int, int], options: UpscaleOptions) -> Sizes:
        scale = self._bench.scale
        multiple = max(16, scale.vae.spatial_factor * max(scale.dits[self._params].patch[1:]))
        return sizes_of(size, options, multiple)
