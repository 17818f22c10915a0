"""The engine's one public entry: files in, upscaled files out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch

from seedvr2 import __version__
from seedvr2.catalogue.hashes import checked_sha256, sha256_of
from seedvr2.catalogue.places import ModelsDir
from seedvr2.errors import OutOfMemoryError
from seedvr2.heap import keep_freed_blocks, return_freed_blocks
from seedvr2.job_settings import JobSettings, size_warnings
from seedvr2.media import Frame, Pixels, Sink, Source, open_sink, open_source
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.model import Model, choose_device, choose_dtype, load_model, release_memory
from seedvr2.nano import DIT_FILE, VAE_FILE
from seedvr2.network.compiled import compiling
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.batching import effective_overlap
from seedvr2.pipeline.frame_transfer import frame_transfer
from seedvr2.pipeline.overlap import ReadAhead, WriteBehind
from seedvr2.pipeline.restore import BatchRestorer
from seedvr2.pipeline.sizes import sizes_of
from seedvr2.pipeline.stream import restore_stream, to_integer
from seedvr2.planning.card import DeviceLayer
from seedvr2.planning.forecast import Forecast, make_forecast
from seedvr2.planning.machine import MachinePlanner
from seedvr2.planning.plan import Plan
from seedvr2.planning.planner import Request, next_smaller
from seedvr2.progress import OnProgress, Progress, ProgressMeter
from seedvr2.segments.cutting import frames_at_a_time
from seedvr2.segments.video_job import Circumstances, VideoJob
from seedvr2.selection import ModelFiles, select_model
from seedvr2.task import IsCancelled, Stretch, Task, stretch_of
from seedvr2.trouble import is_out_of_memory

log = logging.getLogger(__name__)


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
        models_dir: ModelsDir,
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
            models_dir: folder of weight files, or several; it need not exist for the embedded model.
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
        keep: Path | None = None,
    ) -> UpscaleResult:
        """Upscale one picture or video.

        A video is made in segments, which are kept as they are finished: where it is interrupted, in whatever way, the
        same call goes on with the first one that is missing, and gives the same frames.

        Args:
            source: the file to read; it is never changed.
            target: the file to write. It appears whole, at the end, or not at all, and must not exist.
            options: defaults where None.
            model: name of a model, or `auto`.
            on_progress: called often, from this thread.
            cancelled: asked at each slice of the VAE; True stops with `Cancelled`.
            keep: the folder for the segments of a video, which is made, and is left to the caller. Where None, a hidden
                one beside the target, `.NAME.segments`, which goes when the result is there.

        Raises:
            MediaError: the source cannot be read or the target not written.
            OptionError: an option does not fit the source.
            NeverFitsError: this machine could not hold the job; nothing was decoded.
            CheckpointError, OutOfMemoryError, MachineError, Cancelled: as their names say.
        """
        options = options or UpscaleOptions()
        task = Task(
            source=source,
            target=target,
            options=options,
            files=self._files(model),
            keep=keep,
            report=on_progress or (lambda _progress: None),
            stop=cancelled or (lambda: False),
        )
        threads = torch.get_num_threads()
        try:
            try:
                return self._attempt(task)
            except (RuntimeError, MemoryError, OSError, OutOfMemoryError) as error:
                if not isinstance(error, OutOfMemoryError) and not is_out_of_memory(error):
                    raise
                if task.plan is None:  # not even planned
                    raise
            # Outside the except block: the traceback would keep the failed run's tensors alive.
            return self._attempt_smaller(task, task.plan)
        except (RuntimeError, MemoryError, OSError) as error:
            if not is_out_of_memory(error):
                raise
            release_memory()
            raise _out_of_memory(self.device) from error
        finally:
            torch.set_num_threads(threads)
            return_freed_blocks()  # not earlier: `_run` holds the last tensors until it returns

    def _attempt(self, task: Task, smaller: Plan | None = None, note: str = "") -> UpscaleResult:
        """Open the source and make all of it. `smaller`: how, instead of what the planner says; `note`: why."""
        with open_source(task.source, task.options) as clip:
            request = self._planner.request(task.files, clip.info, task.options)
            plan = smaller or self._planner.plan(request, clip.info)
            if not isinstance(clip, VideoSource):
                task.plan = plan
                return self._run(task, clip, request, plan)
            with VideoJob(clip, task.target, task.options, task.keep) as job:
                self._freeze(task, job, clip, request, plan, note)
                # What was chosen when the job began stays, whatever is free now.
                task.plan = job.plan.settings
                torch.set_num_threads(job.plan.threads)
                if not any(job.runs()):
                    # Only the join was missing, for which no model is needed.
                    return self._joined(task, job, clip, time.monotonic(), ())
                return self._run(task, clip, request, task.plan, job)

    def _freeze(self, task: Task, job: VideoJob, clip: Source, request: Request, plan: Plan, note: str) -> None:
        info, options = clip.info, task.options

        sizes = sizes_of((info.width, info.height), options, request.facts.multiple)
        circumstances = Circumstances(
            engine=f"{__version__}, torch {torch.__version__}",
            models=tuple((path.name, _hash(path, task.check)) for path in (task.files.dit, task.files.vae)),
            device=_device_name(self.device),
            dtype=str(self.dtype).removeprefix("torch."),
            threads=torch.get_num_threads(),
            size=sizes.output,
        )
        most = frames_at_a_time(sizes.output, request.facts.weights, gpu=self.device.type != "cpu")
        job.freeze(circumstances, plan, most, task.check, note=note, anew=bool(note))

    def _attempt_smaller(self, task: Task, failed: Plan) -> UpscaleResult:
        """Once more, with less than what failed."""
        release_memory()
        with open_source(task.source, task.options) as clip:
            request = self._planner.request(task.files, clip.info, task.options)
        self._planner.ran_out(failed, request)
        plan = next_smaller(failed, request)
        if plan is None:
            raise _out_of_memory(self.device)
        log.warning("%s: out of memory with %s; again with %s", task.source.name, failed.words(), plan.words())
        note = f"Memory ran out with {failed.words()}, so it was made again with {plan.words()}."
        try:
            result = self._attempt(task, plan, note)
        except (RuntimeError, MemoryError, OSError, OutOfMemoryError) as error:
            if isinstance(error, OutOfMemoryError) or is_out_of_memory(error):
                # Not tried a third time, but the next such job need not begin with it.
                self._planner.ran_out(plan, request)
            raise
        return replace(result, warnings=tuple(dict.fromkeys((*result.warnings, note))))

    def _run(
        self, task: Task, clip: Source, request: Request, plan: Plan, video: VideoJob | None = None
    ) -> UpscaleResult:
        options, info = request.options, clip.info
        total, done = (video.plan.frames, video.frames_done) if video else (info.frames, 0)
        task.report(Progress("loading", done, total, float(done)))
        self._load(task.files, plan.blocks_to_swap)
        self._planner.started()
        loaded = self._loaded()
        job = JobSettings.prepare(loaded, info, options, plan)
        started = time.monotonic()
        meter = ProgressMeter(task.report, total, job.step, plan.window if plan.overlap else 0, done)
        writer = WriteBehind(job.writing_depth(info))

        def on_stage(stage: str, share: float) -> None:
            # Not only with the next frame, which may be minutes away.
            writer.check()
            task.check()
            meter.stage(stage, share)

        if not plan.in_turn:
            # An earlier job may have left one of them in main memory.
            loaded.dit.onload()
            loaded.vae.onload()
        restorer = BatchRestorer(loaded, job.restore, on_stage)
        transfer = frame_transfer(self.device)

        def restore(stretch: Stretch) -> int:
            """Frames that were written."""
            nonlocal writer
            writer, frames = WriteBehind(job.writing_depth(info)), 0
            ready = (replace(frame, image=transfer.staged(frame.image)) for frame in stretch.frames)
            restored = partial(restore_stream, shots=stretch.shots, batch=stretch.batch)
            with (
                stretch.sink as sink,
                ReadAhead(ready, job.reading_depth(info)) as frames_in,
                writer,
                closing(restored(frames_in, lambda frame: frame.image, restorer, job.stream)) as stream,
            ):
                for frame, image in islice(stream, stretch.unused, stretch.limit):
                    writer.put(partial(_write, sink, transfer.fetched(to_integer(image, sink.bit_depth)), frame))
                    frames += 1
                    meter.frame()
                if video is None:
                    on_stage("writing", 1.0)
            return frames

        def told() -> tuple[str, ...]:
            return (*clip.warnings, *restorer.warnings)

        with (
            compiling(self._compile),
            loaded.dit.keeping_expanded(self._planner.spare_on_host(plan, request, info)),
        ):
            if video is None:
                sink = open_sink(task.target, clip, *job.sizes.output, options)
                frames = restore(Stretch(clip.frames(), sink))
                warnings = (*clip.warnings, *sink.warnings, *restorer.warnings)
            else:
                shared = effective_overlap(plan.window, plan.overlap)
                for run in video.runs():
                    assert isinstance(clip, VideoSource)
                    source = clip.frames(run.first)
                    restore(stretch_of(run, source, video.recorder(run, told), video.plan.frames, shared))
                on_stage("writing", 1.0)
                self._planner.ended_well(plan, request)
                return self._joined(task, video, clip, started, restorer.warnings)
        self._planner.ended_well(plan, request)
        return UpscaleResult(
            path=task.target,
            model=loaded.name,
            width=job.sizes.output[0],
            height=job.sizes.output[1],
            frames=frames,
            seconds=time.monotonic() - started,
            tiled=plan.tile is not None,
            warnings=(*warnings, *size_warnings(info, options, plan)),
        )

    def _joined(self, task: Task, video: VideoJob, clip: Source, started: float, told: Sequence[str]) -> UpscaleResult:
        """Make the result of the segments. `told`: warnings of this run."""
        plan, frames = video.plan, video.plan.frames

        def report() -> None:
            task.check()
            task.report(Progress("writing", frames, frames, float(frames)))

        warnings = (*video.finish(report), *told)
        return UpscaleResult(
            path=task.target,
            model=task.files.name,
            width=plan.size[0],
            height=plan.size[1],
            frames=frames,
            seconds=max(video.seconds, time.monotonic() - started),
            tiled=plan.settings.tile is not None,
            warnings=tuple(dict.fromkeys((*warnings, *size_warnings(clip.info, task.options, plan.settings)))),
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


def _hash(path: Path, on_progress: Callable[[int, int], None]) -> str:
    # The files that come with this program are none of a folder of models, where hashes are remembered.
    return sha256_of(path) if path in (DIT_FILE, VAE_FILE) else checked_sha256(path, on_progress)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _write(sink: Sink, image: Callable[[], Pixels], frame: Frame) -> None:
    sink.write(image(), frame)


def _out_of_memory(device: torch.device) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"There is not enough memory on {device} for this job; use a smaller result (resolution, scale) or batch_size, "
        "vae_tiling = on with vae_quality = low, or a smaller model."
    )
