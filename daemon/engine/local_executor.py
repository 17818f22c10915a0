"""Runs the engine in this process: in a child of the service (`child_main.py`), and in tests.

The engine is imported late: torch takes seconds, and whoever started this process waits for its first sign of life.
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.engine.decoding import decoding, look_into
from daemon.engine.executor import OnProgress, Outcome, as_outcome, never
from daemon.engine.foresight import UNKNOWN, disk_of, facts_of, memory_of
from daemon.engine.messages import DeviceReport
from daemon.engine.models import describe_models
from daemon.engine.visible import choose
from daemon.jobs.job import Media
from daemon.settings.keys import ModelSettings
from seedvr2.catalogue import find
from seedvr2.catalogue.places import ModelsDir
from seedvr2.errors import (
    Cancelled,
    CheckpointError,
    IncompleteModelError,
    MachineError,
    ModelNotInstalledError,
    OptionError,
    OutOfMemoryError,
)
from seedvr2.heap import keep_freed_blocks
from seedvr2.options import UpscaleOptions
from seedvr2.preview.wish import Wish
from seedvr2.trouble import MACHINE_TROUBLE, is_out_of_memory

if TYPE_CHECKING:
    from seedvr2.upscaler import Upscaler

log = logging.getLogger(__name__)


class LocalExecutor:
    """Runs the engine in this process, on the GPU that the settings name."""

    def __init__(self, models_dir: ModelsDir, settings: ModelSettings, memory: Path | None = None) -> None:
        """`memory` is the file in which the engine remembers what worked on this card."""
        self._models_dir = models_dir
        self._memory = memory
        self._settings = settings
        self._upscaler: Upscaler | None = None
        self._making = threading.Lock()
        # Here, since the engine is imported when the process has threads.
        keep_freed_blocks()

    @property
    def model(self) -> str | None:
        """File name of the model in memory, or None."""
        return self._upscaler.model if self._upscaler else None

    def prepare(self) -> None:
        """Import the engine, which takes seconds."""
        self._engine()

    def probe(self, path: Path) -> Media:
        """What `path` is; decodes its first frame, with no more than one other file at the same time."""
        with decoding(path):
            return look_into(path)

    def draw(self, path: Path, kind: str, size: tuple[int, int]) -> bytes | None:
        """A small picture of `path`, with no more than one other file at the same time."""
        stamp: Any = importlib.import_module("daemon.engine.stamp")
        with decoding(path):
            picture: bytes | None = stamp.draw(path, kind, size)
        return picture

    def draw_frame(self, path: Path, at: float | None, size: tuple[int, int], target: Path) -> None:
        """One frame of `path` at `target`, with no more than one other file decoded at the same time."""
        still: Any = importlib.import_module("daemon.engine.still")
        with decoding(path):
            still.draw_frame(path, at, size, target)

    def resolve(self, model: str) -> str:
        """The file name behind `model`; with `auto_download`, a known model counts as here."""
        try:
            return str(self._engine().resolve(model or self._settings.default))
        except IncompleteModelError as error:
            if not self._settings.auto_download:
                raise
            return error.model
        except ModelNotInstalledError:
            published = self._to_fetch(model)
            if published is None:
                raise
            return published

    def models(self, everything: bool) -> list[dict[str, Any]]:
        """The models that are here, or all known ones."""
        folder: Any = importlib.import_module("seedvr2.catalogue.folder")
        unreadable = folder.unreadable_files(self._models_dir)
        return describe_models(folder.installed_models(self._models_dir), everything, unreadable)

    def foresee(
        self, media: Media, options: UpscaleOptions, *, model: str, suffix: str, size: int, timed: bool
    ) -> dict[str, Any]:
        """What a job would take."""
        name = model or self._settings.default
        plan = {**UNKNOWN, **disk_of(media, options, suffix, size)}
        try:
            found = self._engine().foresee(facts_of(media), options, model=name, timed=timed)
        except ModelNotInstalledError as error:
            published = self._to_fetch(model)
            if published is None:
                return plan | {"fits": False, "why": str(error)}
            why = f"{published} is not here yet and is fetched first, so what it takes is not known."
            return plan | {"model": published, "why": why}
        except OutOfMemoryError as error:
            return plan | {"fits": False, "why": str(error)}
        return plan | memory_of(found)

    def device(self) -> DeviceReport:
        """What the engine computes on, after a first small computation there. Raises RuntimeError if that fails."""
        report: Any = importlib.import_module("daemon.engine.device_report")
        try:
            device = self._engine().device
        except OptionError as error:
            if error.name != "device":
                raise
            raise OptionError("device", f"{error} There is no GPU: {report.why_no_gpu()}.") from error
        found: DeviceReport = report.look(device)
        return found

    def others_mb(self) -> int:
        """MiB of the GPU that other programs hold, if that is much; asked after memory has run out."""
        report: Any = importlib.import_module("daemon.engine.device_report")
        return int(report.held_by_others(self._engine().device))

    def load(self, model: str) -> None:
        """Bring `model` into memory."""
        self._fetch(model, lambda: False, lambda: None)
        self._engine().load(self.resolve(model))

    def unload(self) -> None:
        """Give back the memory of the model, to the operating system too."""
        if self._upscaler is None:
            return
        self._upscaler.unload()

    def run(
        self,
        source: Path,
        target: Path,
        options: UpscaleOptions,
        *,
        model: str,
        on_progress: OnProgress,
        cancelled: Callable[[], bool],
        keep: Path,
        give_way: Callable[[], bool] = never,
    ) -> Outcome:
        """Upscale `source` into `target`."""
        self._fetch(model, cancelled, lambda: on_progress("downloading", 0, None, None))
        result = self._engine().upscale(
            source,
            target,
            options,
            model=model or self._settings.default,
            on_progress=lambda now: on_progress(
                now.stage, now.frames_done, now.frames_total, now.fraction, now.segments
            ),
            cancelled=cancelled,
            give_way=give_way,
            keep=keep,
        )
        return as_outcome(result)

    def join(
        self,
        source: Path,
        target: Path,
        keep: Path,
        *,
        on_progress: OnProgress,
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Make `target` of the segments in `keep`, which are all there, with their plan."""
        joining: Any = importlib.import_module("seedvr2.farm.joining")

        def report(now: Any) -> None:
            if cancelled():
                raise Cancelled(f"{target.name} was cancelled; nothing was written.")
            on_progress(now.stage, now.frames_done, now.frames_total, now.fraction, now.segments)

        return as_outcome(joining.join_kept(keep, source, target, on_progress=report))

    def preview(
        self,
        source: Path,
        folder: Path,
        options: UpscaleOptions,
        wish: Wish,
        *,
        model: str,
        speed: float | None,
        cancelled: Callable[[], bool],
    ) -> dict[str, Any]:
        """Write a preview of `source` into `folder`."""
        engine = self._engine()
        files: Any = importlib.import_module("seedvr2.preview.files")
        wanted = model or self._settings.default
        made = engine.preview(source, options, wish, model=wanted, speed=speed, cancelled=cancelled)
        return dict(files.describe(made, files.write_preview(made, folder)))

    def upscaler(self, model: str, cancelled: Callable[[], bool], on_step: Callable[[], None]) -> Upscaler:
        """The engine itself, with the files of `model` here; fetched, where that is allowed. Errors as for `run`."""
        self._fetch(model, cancelled, on_step)
        return self._engine()

    def _to_fetch(self, model: str) -> str | None:
        """The name of a published model that may be fetched, or None."""
        if not self._settings.auto_download:
            return None
        try:
            return find(model or self._settings.default).name
        except CheckpointError:
            return None

    def _fetch(self, model: str, cancelled: Callable[[], bool], on_step: Callable[[], None]) -> None:
        """Download a model that a job asks for, if that is allowed and needed."""
        try:
            self._engine().resolve(model or self._settings.default)
            return
        except ModelNotInstalledError as error:
            name = self._to_fetch(model)
            if isinstance(error, IncompleteModelError) and self._settings.auto_download:
                name = error.name
            if name is None:
                raise

        def report(_entry: object, _stage: str, _done: int, _total: int) -> None:
            if cancelled():
                raise Cancelled(f"The download of {name} was stopped; it goes on where it was.")
            on_step()

        log.info("fetching the model %s", name)
        pull: Any = importlib.import_module("seedvr2.catalogue.pull")
        pull.pull([name], self._models_dir, on_progress=report)

    def _engine(self) -> Upscaler:
        with self._making:
            return self._make()

    def _make(self) -> Upscaler:
        if self._upscaler is None:
            # Before torch is imported: it reads this once. Importing it takes seconds, so nobody else does.
            choice = choose(self._settings, os.environ)
            os.environ.update(choice.environment())
            with _importing():
                engine: Any = importlib.import_module("seedvr2.upscaler")
            self._upscaler = engine.Upscaler(
                self._models_dir,
                device=choice.device,
                dtype=self._settings.dtype,
                compile=self._settings.compile,
                default_model=self._settings.default,
                memory=self._memory,
            )
        return self._upscaler


@contextmanager
def _importing() -> Iterator[None]:
    """Importing opens hundreds of files and maps gigabytes: where that fails, it is not the job's fault."""
    try:
        yield
    except (OSError, ImportError, MemoryError) as error:
        # The linker says what was wrong in words only.
        if is_out_of_memory(error) or "failed to map segment" in str(error):
            raise OutOfMemoryError("There is not enough memory to load the engine; free some.") from error
        files = os.strerror(errno.EMFILE) in str(error)
        number: int | None = errno.EMFILE if files else getattr(error, "errno", None)
        if number is None or number not in MACHINE_TROUBLE:
            raise
        sentence = f"The engine cannot be loaded now ({os.strerror(number)}); mend that and try again."
        raise MachineError(sentence, number) from error
