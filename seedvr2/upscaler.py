"""The engine's one public entry: files in, upscaled files out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from seedvr2.attempts import make, most_frames
from seedvr2.catalogue.places import ModelsDir
from seedvr2.errors import Cancelled
from seedvr2.farm.beginning import Begun, Kept, begin
from seedvr2.farm.job_plan import JobPlan
from seedvr2.farm.segments import Made, make_segments, units_at
from seedvr2.media import MediaInfo, open_source, output_suffix
from seedvr2.options import UpscaleOptions
from seedvr2.planning.card import DeviceLayer
from seedvr2.planning.disk import disk_need
from seedvr2.planning.forecast import Forecast, make_forecast
from seedvr2.preview.making import Bench, Preview, make_preview
from seedvr2.preview.wish import Wish
from seedvr2.progress import OnProgress
from seedvr2.result import UpscaleResult
from seedvr2.segments.freezing import freeze
from seedvr2.task import IsCancelled, Task
from seedvr2.workshop import Workshop


class Upscaler:
    """Upscales pictures and videos; keeps its model in memory between calls.

    One thread may call `load`, `unload`, `upscale`; `model`, `resolve`, `plan` and `foresee` may be used from any.

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
        return make(self._workshop, task)

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

    def foresee(self, info: MediaInfo, options: UpscaleOptions, *, model: str = "auto", timed: bool = True) -> Forecast:
        """What upscaling a source of which so much is known would take, once nothing else is at work in this process.

        Reads no source. Its time is left out unless `timed`. Errors as for `upscale`.
        """
        files = self._workshop.files(model)
        return make_forecast(info, options, files, self._planner, alone=True, timed=timed)

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
            most = most_frames(self._workshop, circumstances, request, settings, clip.info)
            frozen = freeze(clip, task.options, circumstances, settings, most, task.check)
            wish = task.options.wish
            disk = disk_need(clip.info, frozen.size, frozen.suffix, frozen.frames, frozen.source.bytes, wish)
        return JobPlan(source.absolute(), task.files.name, frozen, disk)

    def begin(
        self,
        source: Path,
        options: UpscaleOptions,
        *,
        model: str = "auto",
        kept: Kept | None = None,
        on_progress: OnProgress | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Begun | None:
        """As `freeze`, of a job of which there may be something already; None of what is not made in segments.

        Args:
            kept: what there is. Its plan is the answer where this machine would make the same by it.
        """
        task = Task.of(source, source, options, self._workshop.files(model), report=on_progress, stop=cancelled)
        return begin(self._workshop, task, kept)

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
