"""The engine's one public entry: files in, upscaled files out."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from seedvr2.catalogue.places import ModelsDir
from seedvr2.errors import Cancelled, OutOfMemoryError
from seedvr2.farm.job_plan import JobPlan
from seedvr2.farm.segments import Made, make_segments, units_at
from seedvr2.job_settings import frame_bytes
from seedvr2.making import joined_result, make_runs, make_whole
from seedvr2.media import MediaInfo, open_source, output_suffix
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.model import release_memory
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.latent_windows import grid_for
from seedvr2.planning.card import DeviceLayer
from seedvr2.planning.disk import disk_need
from seedvr2.planning.forecast import Forecast, make_forecast
from seedvr2.planning.plan import Plan
from seedvr2.planning.planner import Request, next_smaller
from seedvr2.preview.making import Bench, Preview, make_preview
from seedvr2.preview.wish import Wish
from seedvr2.progress import OnProgress, Progress
from seedvr2.result import UpscaleResult
from seedvr2.segments.cutting import frames_at_a_time
from seedvr2.segments.freezing import Circumstances, freeze
from seedvr2.segments.video_job import VideoJob
from seedvr2.task import IsCancelled, Task
from seedvr2.trouble import is_out_of_memory
from seedvr2.workshop import Workshop

log = logging.getLogger(__name__)


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
        self._workshop = Workshop(
            models_dir,
            device=device,
            dtype=dtype,
            default_model=default_model,
            memory=memory,
            layer=layer,
            compile=compile,
        )
        self.device, self.dtype = self._workshop.device, self._workshop.dtype
        self._planner = self._workshop.planner

    @property
    def model(self) -> str | None:
        """Name of the model in memory, or None."""
        return self._workshop.model.name if self._workshop.model else None

    def resolve(self, model: str = "auto") -> str:
        """The name of the model that `model` stands for.

        Raises:
            ModelNotInstalledError: it is not on this machine; the message says how to get it.
        """
        return self._workshop.files(model).name

    def load(self, model: str = "auto", *, blocks_to_swap: int = 0) -> None:
        """Bring a model into memory in place of the present one, which is dropped first.

        On a GPU that cannot hold all of it, more of its blocks than `blocks_to_swap` stay in main memory.

        Raises:
            CheckpointError: its files are missing, damaged or of another model.
            OutOfMemoryError: the device cannot hold it.
        """
        files = self._workshop.files(model)
        self._workshop.load(files, max(blocks_to_swap, self._planner.swap_to_load(files)))

    def unload(self) -> None:
        """Drop the model and give its memory back."""
        self._workshop.unload()

    def upscale(
        self,
        source: Path,
        target: Path,
        options: UpscaleOptions | None = None,
        *,
        model: str = "auto",
        on_progress: OnProgress | None = None,
        cancelled: IsCancelled | None = None,
        give_way: IsCancelled | None = None,
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
            give_way: asked where a segment of a video is finished and another one is to follow, and while its shots are
                looked for; True stops with `Yielded`.
            keep: the folder for the segments of a video, which is made, and is left to the caller. Where None, a hidden
                one beside the target, `.NAME.segments`, which goes when the result is there.

        Raises:
            MediaError: the source cannot be read or the target not written.
            OptionError: an option does not fit the source.
            NeverFitsError: this machine could not hold the job; nothing was decoded.
            CheckpointError, OutOfMemoryError, MachineError, Cancelled, Yielded: as their names say.
        """
        files = self._workshop.files(model)
        asked = options or UpscaleOptions()
        task = Task.of(source, target, asked, files, report=on_progress, stop=cancelled, give_way=give_way, keep=keep)
        with self._workshop.careful():
            try:
                return self._attempt(task)
            except (RuntimeError, MemoryError, OSError, OutOfMemoryError) as error:
                if not isinstance(error, OutOfMemoryError) and not is_out_of_memory(error):
                    raise
                if task.plan is None:  # not even planned
                    raise
            # Outside the except block: the traceback would keep the failed run's tensors alive.
            return self._attempt_smaller(task, task.plan)

    def _attempt(self, task: Task, smaller: Plan | None = None, note: str = "") -> UpscaleResult:
        """Open the source and make all of it. `smaller`: how, instead of what the planner says; `note`: why."""
        with open_source(task.source, task.options) as clip:
            request = self._planner.request(task.files, clip.info, task.options)
            plan = smaller or self._planner.plan(request, clip.info)
            if not isinstance(clip, VideoSource):
                task.plan = plan
                return make_whole(self._workshop, task, clip, request, plan)
            with VideoJob(clip, task.target, task.options, task.keep) as job:
                circumstances = self._workshop.circumstances(task.files, clip.info, request, task.check)
                most = self._most_frames(circumstances, request, plan, clip.info)
                scanning = partial(task.scanning, clip.info.frames)
                job.freeze(circumstances, plan, most, task.check, scanning=scanning, note=note, anew=bool(note))
                # What was chosen when the job began stays, whatever is free now.
                task.plan = job.plan.settings
                torch.set_num_threads(job.plan.threads)
                return self._make_and_join(task, clip, request, job)

    def _make_and_join(self, task: Task, clip: VideoSource, request: Request, job: VideoJob) -> UpscaleResult:
        plan, started = job.plan, time.monotonic()
        told: tuple[str, ...] = ()
        # Where only the join is missing, no model is needed.
        if any(job.runs()):
            work = make_runs(
                self._workshop,
                task,
                clip,
                request,
                plan,
                job.runs(),
                job.recorder,
                total=plan.frames,
                done=job.frames_done,
            )
            started, told = work.started, work.warnings

        def report() -> None:
            task.check()
            task.report(Progress("writing", plan.frames, plan.frames, float(plan.frames)))

        warnings = (*job.finish(report), *told)
        seconds = max(job.seconds, time.monotonic() - started)
        return joined_result(plan, clip.info, task.target, task.files.name, seconds, warnings)

    def _most_frames(self, circumstances: Circumstances, request: Request, plan: Plan, info: MediaInfo) -> int:
        return frames_at_a_time(
            circumstances.size,
            request.facts.weights,
            gpu=self.device.type != "cpu",
            grid=grid_for(request.options, plan.window, plan.overlap, circumstances.vae),
            frame_bytes=frame_bytes(info, (info.width, info.height), info.bit_depth),
        )

    def _attempt_smaller(self, task: Task, failed: Plan) -> UpscaleResult:
        """Once more, with less than what failed."""
        release_memory()
        with open_source(task.source, task.options) as clip:
            request = self._planner.request(task.files, clip.info, task.options)
        self._planner.ran_out(failed, request)
        plan = next_smaller(failed, request)
        if plan is None:
            raise self._workshop.out_of_memory()
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

    def plan(self, source: Path, options: UpscaleOptions | None = None, *, model: str = "auto") -> Forecast:
        """What upscaling `source` would take; runs nothing and loads nothing. Errors as for `upscale`."""
        options = options or UpscaleOptions()
        files = self._workshop.files(model)
        with open_source(source, options) as clip:
            forecast, info = make_forecast(clip.info, options, files, self._planner), clip.info
        if forecast.frames is None:
            return forecast
        suffix, bytes_there = output_suffix(info, options), source.stat().st_size
        need = disk_need(info, forecast.output_size, suffix, forecast.frames, bytes_there, options.wish)
        return replace(forecast, disk=need)

    def freeze(
        self,
        source: Path,
        options: UpscaleOptions | None = None,
        *,
        model: str = "auto",
        cancelled: IsCancelled | None = None,
    ) -> JobPlan:
        """Choose all that decides about a result, so that its segments can be made apart; decodes a video once.

        Arguments and errors as for `upscale`.
        """
        task = Task.of(source, source, options or UpscaleOptions(), self._workshop.files(model), stop=cancelled)
        with open_source(source, task.options) as clip:
            request = self._planner.request(task.files, clip.info, task.options)
            settings = self._planner.plan(request, clip.info)
            circumstances = self._workshop.circumstances(task.files, clip.info, request, task.check)
            most = self._most_frames(circumstances, request, settings, clip.info)
            frozen = freeze(clip, task.options, circumstances, settings, most, task.check)
            wish = task.options.wish
            disk = disk_need(clip.info, frozen.size, frozen.suffix, frozen.frames, frozen.source.bytes, wish)
        return JobPlan(source.absolute(), task.files.name, frozen, disk)

    def make_segments(
        self,
        plan: JobPlan,
        numbers: Sequence[int],
        target: Path,
        *,
        source: Path | None = None,
        on_progress: OnProgress | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Made:
        """Make some segments of a plan, exactly as it says; those that are there already are left as they are.

        Args:
            numbers: which, counted from 0. target: the folder for them, or, for a single one, its file.
            source: where the source is now; where it was planned for if None.
            on_progress, cancelled: as for `upscale`.

        Raises:
            OptionError: this machine would not make what was planned, or there is no such segment.
            MediaError: the source is another one, or a file of another kind is where a segment is to be.
            CheckpointError, OutOfMemoryError, MachineError, Cancelled: as their names say.
        """
        units, files = units_at(plan, numbers, target), self._workshop.files(plan.model)
        where, asked = source or plan.source, plan.frozen.options
        task = Task.of(where, target, asked, files, report=on_progress, stop=cancelled)
        return make_segments(self._workshop, plan, units, task)

    def preview(
        self,
        source: Path,
        options: UpscaleOptions | None = None,
        wish: Wish | None = None,
        *,
        model: str = "auto",
        speed: float | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Preview:
        """What upscaling `source` would give, at several strengths: a small window of it, restored once.

        Args:
            wish: what to show; see there for what is shown where None.
            speed: megapixels of results that this machine makes with the model in a second, where that was measured.
            cancelled: as for `upscale`.

        Raises:
            OptionError: the wish does not fit the source. Others as for `upscale`.
        """
        workshop = self._workshop
        files = workshop.files(model)

        def check() -> None:
            if cancelled is not None and cancelled():
                raise Cancelled(f"The preview of {source.name} was cancelled.")

        bench = Bench(files, workshop.planner, partial(workshop.load, files), check, speed)
        with workshop.careful():
            return make_preview(source, options or UpscaleOptions(), wish or Wish(), bench)
