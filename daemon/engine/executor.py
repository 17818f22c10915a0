"""The one door between the service and the engine: probe, run, load, unload.

`Executor` is all that the rest of the service knows. `daemon/engine/child_executor.py` runs the engine in a child
process, and `daemon/engine/local_executor.py` is what runs there; something that hands jobs to other machines can stand
in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from daemon.jobs.job import Media
from seedvr2.options import UpscaleOptions
from seedvr2.preview.wish import Wish
from seedvr2.progress import Segments


class OnProgress(Protocol):
    """Told how far a job is."""

    def __call__(
        self, stage: str, done: int, total: int | None, share: float | None, segments: Segments | None = None, /
    ) -> None:
        """`done` frames of `total`, `share` (0…1) of the work; None if unknown. `segments`: of a video."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run gave: display size of the result in pixels, the model that ran, whether it used tiles.

    `places`: the kinds of GPU and the machines that made it; empty: this one, as ever.
    """

    model: str
    width: int
    height: int
    frames: int
    seconds: float
    tiled: bool
    warnings: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


def as_outcome(made: Any) -> Outcome:
    """Of what the engine answers, its `UpscaleResult`, or of the message that tells of that, `Finished`."""
    return Outcome(made.model, made.width, made.height, made.frames, made.seconds, made.tiled, tuple(made.warnings))


def never() -> bool:
    """The answer to `give_way` of who need not give way."""
    return False


class Executor(Protocol):
    """Upscales files, one at a time. Every method but `model` may take long.

    `model`, `probe`, `draw`, `draw_frame`, `resolve`, `models` and `foresee` may be called from any thread, the others
    from the worker's only. All raise the errors of `seedvr2.errors`; anything else is a bug.
    """

    @property
    def model(self) -> str | None:
        """File name of the model in memory, or None."""

    def prepare(self) -> None:
        """Do beforehand what the first job would wait for. Called once, in the worker's thread."""

    def probe(self, path: Path) -> Media:
        """What `path` is, after decoding its beginning.

        Raises MediaError if it is no picture or video, TooLargeError if this machine cannot hold it, OutOfMemoryError
        if it cannot now, and MachineError if its disk or its permissions refuse.
        """

    def draw(self, path: Path, kind: str, size: tuple[int, int]) -> bytes | None:
        """A small WebP picture of the picture or video `path`, shown in `size` (width, height); None if there is none.

        Raises as `probe`. For any thread, like it.
        """

    def draw_frame(self, path: Path, at: float | None, size: tuple[int, int], target: Path) -> None:
        """Write one frame of `path`, shown in `size` (width, height), as a PNG at `target`.

        `at` is in seconds from the beginning of a video: the frame that is seen then, the last one where there is none
        any more; None for the first. Of more pixels than browsers show, it is made smaller.

        Raises as `probe`. For any thread, like it.
        """

    def resolve(self, model: str) -> str:
        """The file name behind `model` (`auto` and empty included). Raises ModelNotInstalledError."""

    def models(self, everything: bool) -> list[dict[str, Any]]:
        """The models that are here, or all known ones, each as `GET /api/models` describes it."""

    def foresee(
        self, media: Media, options: UpscaleOptions, *, model: str, suffix: str, size: int, timed: bool
    ) -> dict[str, Any]:
        """What a job would take, without its file, with no model loaded and nothing else at work, in about a second.

        For any thread, also while a job runs. `suffix` is that of the result, `size` the bytes of the source. `timed`:
        how long it would take, too, for which the device is measured. Keys, of which those that nobody knows are None:
        `model`, `frames_together`, `memory_bytes`, `weights_bytes`, `memory_free_bytes`, `seconds`, `result_bytes`,
        `disk_bytes` (at the most), `least_bytes` (without which it is not begun), `fits` and `why` it does not, or is
        not known to; `reasons` of each choice. Raises MachineError.
        """

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
        keep: Path,
        give_way: Callable[[], bool] = never,
    ) -> Outcome:
        """Upscale `source` into `target`, which appears whole or not at all.

        `keep` is a folder, made where it is needed, for the finished segments of a video; a later call with the same
        goes on from there.

        Raises `Cancelled` soon after `cancelled()` answers true, and `Yielded` when a segment of a video is finished,
        while `give_way()` does, and another one is to follow. Both may be asked from another thread than this one, and
        however often. OutOfMemoryError may pass with smaller tiles and
        batches, but for NeverFitsError, which is final. EngineError of `daemon/errors.py` says that what it runs in
        is in trouble, whatever the file.
        """

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
        """Write the images of a preview of `source` into `folder`; what they show, as `seedvr2.preview.files` says it.

        Each image has its `name` in the folder, as has the `sheet`. `speed` is that of an earlier preview with the
        model, in megapixels a second. No model is fetched for it. Raises as `run`.
        """
