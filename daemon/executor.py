"""The one door between the service and the engine: probe, run, load, unload.

`Executor` is all that the worker knows. `LocalExecutor` runs the engine in this process; something that hands jobs
to other machines can stand in its place.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from daemon.gpu import visible_devices
from daemon.jobs import Media
from daemon.models import describe_models
from daemon.settings import ModelSettings
from seedvr2.options import UpscaleOptions

if TYPE_CHECKING:
    from seedvr2.upscaler import Upscaler

OnProgress = Callable[[str, int, int | None, float | None], None]
"""Called with the stage, the frames done, the frames in all and the share of the work done (None if unknown)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run gave: display size of the result in pixels, the model that ran, whether it used tiles."""

    model: str
    width: int
    height: int
    frames: int
    seconds: float
    tiled: bool
    warnings: tuple[str, ...] = ()


class Executor(Protocol):
    """Upscales files, one at a time. Every method but `model` may take long.

    `model`, `probe`, `resolve` and `models` may be called from any thread, the others from the worker's only.
    All raise the errors of `seedvr2.errors`; anything else is a bug.
    """

    @property
    def model(self) -> str | None:
        """File name of the model in memory, or None."""

    def prepare(self) -> None:
        """Do beforehand what the first job would wait for. Called once, in the worker's thread."""

    def probe(self, path: Path) -> Media:
        """What `path` is, after decoding its beginning. Raises MediaError if it is no picture or video."""

    def resolve(self, model: str) -> str:
        """The file name behind `model` (`auto` and empty included). Raises ModelNotInstalledError."""

    def models(self, everything: bool) -> list[dict[str, Any]]:
        """The models that are here, or all known ones, each as `GET /api/models` describes it."""

    def load(self, model: str) -> None:
        """Bring `model` into memory in place of the present one."""

    def unload(self) -> None:
        """Give back the memory of the model."""

    def run(
        self,
        source: Path,
        target: Path,
        options: UpscaleOptions,
        *,
        model: str,
        on_progress: OnProgress,
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Upscale `source` into `target`, which appears whole or not at all.

        Raises `Cancelled` soon after `cancelled()` answers true.
        """


class LocalExecutor:
    """Runs the engine in this process, on the GPU that the settings name."""

    def __init__(self, models_dir: Path, settings: ModelSettings) -> None:
        self._models_dir = models_dir
        self._settings = settings
        self._upscaler: Upscaler | None = None
        self._making = threading.Lock()

    @property
    def model(self) -> str | None:
        """File name of the model in memory, or None."""
        return self._upscaler.model if self._upscaler else None

    def prepare(self) -> None:
        """Import the engine, which takes seconds."""
        self._engine()

    def probe(self, path: Path) -> Media:
        """What `path` is; decodes its first frame."""
        media: Any = importlib.import_module("seedvr2.media")
        with media.open_source(path) as source:
            next(iter(source.frames()))
            info = source.info
        return Media(
            kind=info.kind,
            width=info.width,
            height=info.height,
            frames=info.frames or 1,
            fps=float(info.fps) if info.fps else None,
            duration_s=info.duration_s,
        )

    def resolve(self, model: str) -> str:
        """The file name behind `model`."""
        return str(self._engine().resolve(model or self._settings.default))

    def models(self, everything: bool) -> list[dict[str, Any]]:
        """The models that are here, or all known ones."""
        folder: Any = importlib.import_module("seedvr2.catalogue.folder")
        return describe_models(folder.installed_models(self._models_dir), everything)

    def load(self, model: str) -> None:
        """Bring `model` into memory."""
        self._engine().load(self.resolve(model))

    def unload(self) -> None:
        """Give back the memory of the model, to the operating system too."""
        if self._upscaler is None:
            return
        self._upscaler.unload()
        gc.collect()
        # glibc keeps freed memory for later; a daemon that idles should not.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)

    def run(
        self,
        source: Path,
        target: Path,
        options: UpscaleOptions,
        *,
        model: str,
        on_progress: OnProgress,
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Upscale `source` into `target`."""
        result = self._engine().upscale(
            source,
            target,
            options,
            model=model or self._settings.default,
            on_progress=lambda now: on_progress(now.stage, now.frames_done, now.frames_total, now.fraction),
            cancelled=cancelled,
        )
        return Outcome(
            model=result.model,
            width=result.width,
            height=result.height,
            frames=result.frames,
            seconds=result.seconds,
            tiled=result.tiled,
            warnings=tuple(result.warnings),
        )

    def _engine(self) -> Upscaler:
        with self._making:
            return self._make()

    def _make(self) -> Upscaler:
        if self._upscaler is None:
            # Before torch is imported: it reads this once. Importing it takes seconds, so nobody else does.
            devices = visible_devices(self._settings.gpu)
            if devices is not None:
                os.environ.setdefault("CUDA_VISIBLE_DEVICES", devices)
            engine: Any = importlib.import_module("seedvr2.upscaler")
            self._upscaler = engine.Upscaler(
                self._models_dir,
                device=self._settings.device,
                dtype=self._settings.dtype,
                default_model=self._settings.default,
            )
        return self._upscaler
