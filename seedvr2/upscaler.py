"""The engine's one public entry: files in, upscaled files out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from seedvr2.errors import Cancelled, OutOfMemoryError
from seedvr2.heap import keep_freed_blocks, return_freed_blocks
from seedvr2.job_settings import JobSettings, shortened, smaller_batches
from seedvr2.media import Frame, Pixels, Sink, Source, open_sink, open_source
from seedvr2.model import Model, choose_device, choose_dtype, load_model, release_memory
from seedvr2.network.compiled import compiling
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.frame_transfer import frame_transfer
from seedvr2.pipeline.overlap import ReadAhead, WriteBehind
from seedvr2.pipeline.restore import BatchRestorer
from seedvr2.pipeline.stream import restore_stream, to_integer
from seedvr2.planning.card import DeviceLayer
from seedvr2.planning.forecast import Forecast, make_forecast
from seedvr2.planning.machine import MachinePlanner
from seedvr2.planning.plan import Plan
from seedvr2.planning.planner import Request, next_smaller
from seedvr2.progress import OnProgress, Progress, ProgressMeter
from seedvr2.selection import ModelFiles, select_model
from seedvr2.trouble import is_out_of_memory

log = logging.getLogger(__name__)

IsCancelled = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class UpscaleResult:
    """What one upscale gave.

    Attributes:
        path: the finished file. model: the name of the model that ran.
        width, height: of the result, in pixels. frames: in the result.
        seconds: of work, loading the model left out.
        tiled: whether the VAE ran in tiles. warnings: sentences about what could not be kept.
    """

    path: Path
    model: str
    width: int
    height: int
    frames: int
    seconds: float
    tiled: bool
    warnings: tuple[str, ...] = ()


class Upscaler:
    """Upscales pictures and videos; keeps its model in memory between calls.

    One thread may call `load`, `unload`, `upscale`; `model`, `resolve` and `plan` may be used from any.

    Example:
        >>> upscaler = Upscaler(Path("models"))
        >>> upscaler.upscale(Path("in.mp4"), Path("out.mp4"), UpscaleOptions(resolution=1080))
    """

    def __init__(
        self,
        models_dir: Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        default_model: str = "auto",
        memory: Path | None = None,
        layer: DeviceLayer | None = None,
        compile: bool = False,
    ) -> None:
        """Nothing is loaded yet.

        Args:
            models_dir: folder of weight files; it need not exist for the embedded model.
            device: `auto`, `cpu`, `cuda`, `cuda:1`…
            dtype: what the networks compute in: `auto`, `float32`, `bfloat16`, `float16`.
            default_model: what `auto` means: a model's name, or `auto` for the best installed one.
            memory: a file in which to remember what fits on this card; nothing is remembered where None.
            layer: where the facts of the device come from; the device itself where None.
            compile: compile what lies between the transformer's products, where that works (`network/compiled.py`).

        Raises:
            OptionError: there is no such device or type.
        """
        self.models_dir = models_dir
        self.device = choose_device(device)
        self.dtype = choose_dtype(dtype, self.device)
        self._default = default_model
        self._compile = compile
        self._model: Model | None = None
        self._blocks_to_swap = 0
        self._planner = MachinePlanner(self.device, self.dtype, memory=memory, layer=layer)
        keep_freed_blocks()

    @property
    def model(self) -> str | None:
        """Name of the model in memory, or None."""
        return self._model.name if self._model else None

    def resolve(self, model: str = "auto") -> str:
        """The name of the model that `model` stands for.

        Raises:
            ModelNotInstalledError: it is not on this machine; the message says how to get it.
        """
        return self._files(model).name

    def load(self, model: str = "auto", *, blocks_to_swap: int = 0) -> None:
        """Bring a model into memory in place of the present one, which is dropped first.

        On a GPU that cannot hold all of it, more of its blocks than `blocks_to_swap` stay in main memory.

        Raises:
            CheckpointError: its files are missing, damaged or of another model.
            OutOfMemoryError: the device cannot hold it.
        """
        files = self._files(model)
        self._load(files, max(blocks_to_swap, self._planner.swap_to_load(files)))

    def _load(self, files: ModelFiles, blocks_to_swap: int) -> None:
        # With more blocks in main memory than it needs to have, a job is hardly slower; loading anew takes longer.
        if self._model and self._model.name == files.name and self._blocks_to_swap >= blocks_to_swap:
            return
        self.unload()
        try:
            self._model = load_model(
                files, models_dir=self.models_dir, device=self.device, dtype=self.dtype, blocks_to_swap=blocks_to_swap
            )
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise _out_of_memory(self.device) from error
        self._blocks_to_swap = blocks_to_swap
        self._planner.weights = self._model.resident_bytes

    def unload(self) -> None:
        """Drop the model and give its memory back."""
        self._model = None
        self._planner.weights = 0
        release_memory()

    def upscale(
        self,
        source: Path,
        target: Path,
        options: UpscaleOptions | None = None,
        *,
        model: str = "auto",
        on_progress: OnProgress | None = None,
        cancelled: IsCancelled | None = None,
    ) -> UpscaleResult:
        """Upscale one picture or video.

        Args:
            source: the file to read; it is never changed.
            target: the file to write. It appears whole, at the end, or not at all, and must not exist.
            options: defaults where None.
            model: name of a model, or `auto`.
            on_progress: called often, from this thread.
            cancelled: asked at each slice of the VAE; True stops with `Cancelled`.

        Raises:
            MediaError: the source cannot be read or the target not written.
            OptionError: an option does not fit the source.
            NeverFitsError: this machine could not hold the job; nothing was decoded.
            CheckpointError, OutOfMemoryError, MachineError, Cancelled: as their names say.
        """
        report = on_progress or (lambda _progress: None)
        stop = cancelled or (lambda: False)
        options = options or UpscaleOptions()
        files = self._files(model)
        try:
            with open_source(source, options) as clip:
                request = self._planner.request(files, clip.info, options)
                plan = self._planner.plan(request, clip.info)
                try:
                    return self._run(clip, target, files, request, plan, report, stop)
                except (RuntimeError, MemoryError, OSError, OutOfMemoryError) as error:
                    if not isinstance(error, OutOfMemoryError) and not is_out_of_memory(error):
                        raise
            # Outside the except block: the traceback would keep the failed run's tensors alive.
            return self._run_smaller(source, target, files, request, plan, report, stop)
        except (RuntimeError, MemoryError, OSError) as error:
            if not is_out_of_memory(error):
                raise
            release_memory()
            raise _out_of_memory(self.device) from error
        finally:
            return_freed_blocks()  # not earlier: `_run` holds the last tensors until it returns

    def _run_smaller(
        self,
        source: Path,
        target: Path,
        files: ModelFiles,
        request: Request,
        failed: Plan,
        report: OnProgress,
        stop: IsCancelled,
    ) -> UpscaleResult:
        """Once more, with less than what failed."""
        release_memory()
        self._planner.ran_out(failed, request)
        plan = next_smaller(failed, request)
        if plan is None:
            raise _out_of_memory(self.device)
        log.warning("%s: out of memory with %s; again with %s", source.name, failed.words(), plan.words())
        try:
            with open_source(source, request.options) as clip:
                result = self._run(clip, target, files, request, plan, report, stop)
        except (RuntimeError, MemoryError, OSError, OutOfMemoryError) as error:
            if isinstance(error, OutOfMemoryError) or is_out_of_memory(error):
                # Not tried a third time, but the next such job need not begin with it.
                self._planner.ran_out(plan, request)
            raise
        note = f"Memory ran out with {failed.words()}, so it was made again with {plan.words()}."
        return replace(result, warnings=(*result.warnings, note))

    def _run(
        self,
        clip: Source,
        target: Path,
        files: ModelFiles,
        request: Request,
        plan: Plan,
        report: OnProgress,
        stop: IsCancelled,
    ) -> UpscaleResult:
        options, info = request.options, clip.info
        report(Progress("loading", 0, info.frames, 0.0))
        self._load(files, plan.blocks_to_swap)
        self._planner.started()
        loaded = self._loaded()
        job = JobSettings.prepare(loaded, info, options, plan)
        started, frames = time.monotonic(), 0
        meter = ProgressMeter(report, info.frames, job.step, plan.window if plan.overlap else 0)
        writer = WriteBehind(job.writing_depth(info))

        def on_stage(stage: str, share: float) -> None:
            # Not only with the next frame, which may be minutes away.
            writer.check()
            if stop():
                raise Cancelled(f"{clip.path.name} was cancelled; nothing was written.")
            meter.stage(stage, share)

        if not plan.in_turn:
            # An earlier job may have left one of them in main memory.
            loaded.dit.onload()
            loaded.vae.onload()
        restorer = BatchRestorer(loaded, job.restore, on_stage)
        transfer = frame_transfer(self.device)
        ready = (replace(frame, image=transfer.staged(frame.image)) for frame in clip.frames())
        with (
            compiling(self._compile),
            open_sink(target, clip, *job.sizes.output, options) as sink,
            loaded.dit.keeping_expanded(self._planner.spare_on_host(plan, request, info)),
            ReadAhead(ready, job.reading_depth(info)) as frames_in,
            writer,
            closing(restore_stream(frames_in, lambda frame: frame.image, restorer, job.stream)) as stream,
        ):
            for frame, image in stream:
                writer.put(partial(_write, sink, transfer.fetched(to_integer(image, sink.bit_depth)), frame))
                frames += 1
                meter.frame()
            on_stage("writing", 1.0)
        self._planner.ended_well(plan, request)
        width, height = job.sizes.output
        return UpscaleResult(
            path=target,
            model=loaded.name,
            width=width,
            height=height,
            frames=frames,
            seconds=time.monotonic() - started,
            tiled=plan.tile is not None,
            warnings=(
                *clip.warnings,
                *sink.warnings,
                *restorer.warnings,
                *shortened(info, options),
                *smaller_batches(plan, options, info),
            ),
        )

    def plan(self, source: Path, options: UpscaleOptions | None = None, *, model: str = "auto") -> Forecast:
        """What upscaling `source` would take; runs nothing and loads nothing. Errors as for `upscale`."""
        options = options or UpscaleOptions()
        files = self._files(model)
        with open_source(source, options) as clip:
            return make_forecast(clip.info, options, files, self._planner)

    def _files(self, model: str) -> ModelFiles:
        wanted = self._default if model in ("", "auto") else model
        layer = self._planner.layer
        capacity = None if layer is None else layer.card().capacity
        return select_model(wanted, self.models_dir, self.device, capacity)

    def _loaded(self) -> Model:
        assert self._model is not None
        return self._model


def _write(sink: Sink, image: Callable[[], Pixels], frame: Frame) -> None:
    sink.write(image(), frame)


def _out_of_memory(device: torch.device) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"There is not enough memory on {device} for this job; use a smaller resolution or batch_size, "
        "vae_tiling = on with vae_quality = low, or a smaller model."
    )
