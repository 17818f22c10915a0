"""An executor for tests: obeys the Protocol with real files in and out, and does at once what a test asks for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
from PIL import Image, UnidentifiedImageError

from daemon.engine.executor import OnProgress, Outcome, never
from daemon.engine.stamp import draw
from daemon.engine.still import draw_frame
from daemon.jobs.job import Media
from seedvr2.errors import Cancelled, MediaError, ModelNotInstalledError
from seedvr2.options import UpscaleOptions
from seedvr2.preview.wish import Wish

MODELS = ("nano.safetensors", "seedvr2_ema_3b_fp8_e4m3fn.safetensors")


@dataclass
class FakeExecutor:
    """Doubles pictures with Pillow; copies videos. `gate` holds a run until it is set; `errors` are raised in turn."""

    steps: int = 4
    step_s: float = 0.0
    model: str | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    running: threading.Event = field(default_factory=threading.Event)
    errors: list[Exception] = field(default_factory=list)
    runs: list[tuple[Path, UpscaleOptions, str]] = field(default_factory=list)
    previews: list[tuple[bytes, UpscaleOptions, Wish, str, float | None]] = field(default_factory=list)
    foreseen: list[tuple[Media, UpscaleOptions, str, str, int, bool]] = field(default_factory=list)
    unloads: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    def prepare(self) -> None:
        pass

    def probe(self, path: Path) -> Media:
        try:
            with Image.open(path) as picture:
                picture.load()
                return Media("picture", picture.width, picture.height, 1)
        except UnidentifiedImageError:
            pass
        except OSError as error:
            if isinstance(error, PermissionError):
                raise
            raise MediaError(f"{path.name} is damaged or not complete.") from error
        try:
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                next(container.decode(stream))
                return Media("video", stream.width, stream.height, stream.frames or 1, 25.0, 1.0)
        except (av.FFmpegError, IndexError, StopIteration) as error:
            raise MediaError(f"{path.name} is neither a picture nor a video.") from error

    def draw(self, path: Path, kind: str, size: tuple[int, int]) -> bytes | None:
        return draw(path, kind, size)

    def draw_frame(self, path: Path, at: float | None, size: tuple[int, int], target: Path) -> None:
        draw_frame(path, at, size, target)

    def resolve(self, model: str) -> str:
        name = MODELS[0] if model in ("", "auto") else model
        if name not in MODELS:
            raise ModelNotInstalledError(f"There is no model {name}.")
        return name

    def models(self, everything: bool) -> list[dict[str, object]]:
        names = MODELS if everything else MODELS[:1]
        about = {
            "params": "", "precision": "", "size": "", "vram": "", "variant": "", "desc": {"en": "x"},
            "downloadable": False, "sha256_ok": None, "bytes": None,
        }  # fmt: skip
        return [{"name": name, "available": name == MODELS[0], **about} for name in names]

    def foresee(
        self, media: Media, options: UpscaleOptions, *, model: str, suffix: str, size: int, timed: bool
    ) -> dict[str, Any]:
        """As much as a card of 1 MB holds: it takes a byte for each pixel of the source."""
        self.foreseen.append((media, options, model, suffix, size, timed))
        need = media.width * media.height
        why = "It takes too much memory; use a smaller resolution."
        return {
            "model": self.resolve(model), "frames_together": 5, "memory_bytes": need, "weights_bytes": 1000,
            "memory_free_bytes": 10**6, "seconds": media.frames * 2.0 if timed else None, "result_bytes": 5000,
            "disk_bytes": 10000, "least_bytes": 10, "fits": need <= 10**6, "why": why if need > 10**6 else None,
            "reasons": ["Whole frames."],
        }  # fmt: skip

    def load(self, model: str) -> None:
        self.model = self.resolve(model)

    def unload(self) -> None:
        self.model = None
        self.unloads += 1

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
        began = time.monotonic()
        self.load(model)
        self.runs.append((source, options, model))
        self.running.set()
        if self.errors:
            raise self.errors.pop(0)
        for step in range(self.steps):
            while not self.gate.wait(0.01):
                if cancelled():
                    raise Cancelled("stopped")
            if cancelled():
                raise Cancelled("stopped")
            on_progress("restoring", step, self.steps, step / self.steps)
            time.sleep(self.step_s)
        width, height = self._write(source, target)
        assert self.model is not None
        seconds = time.monotonic() - began
        return Outcome(self.model, width, height, self.steps, seconds, options.vae_tiling == "on")

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
        """A gray image for each strength: the stronger, the brighter."""
        self.load(model)
        self.previews.append((source.read_bytes(), options, wish, model, speed))
        if self.errors:
            raise self.errors.pop(0)
        at = 1.5 if wish.at is None and source.suffix == ".mp4" else wish.at
        images = []
        for strength in (0.0, *wish.strengths):
            name = f"strength-{strength:g}.png"
            Image.new("RGB", (60, 40), (round(200 * strength),) * 3).save(folder / name)
            images.append({"strength": strength, "at": at, "name": name})
        Image.new("RGB", (300, 60)).save(folder / "sheet.png")
        assert self.model is not None
        return {
            "width": 60, "height": 40, "output_width": 120, "output_height": 80, "model": self.model, "seconds": 0.5,
            "crop": {"x": 1, "y": 2, "width": 30, "height": 20}, "frames_together": 5, "speed": 1.5, "warnings": [],
            "images": images, "sheet": "sheet.png",
        }  # fmt: skip

    def _write(self, source: Path, target: Path) -> tuple[int, int]:
        hidden = target.with_name(f".{target.name}.tmp")
        if target.suffix == ".mp4":
            hidden.write_bytes(source.read_bytes())
            size = (64, 48)
        else:
            with Image.open(source) as picture:
                size = (picture.width * 2, picture.height * 2)
                picture.convert("RGB").resize(size).save(hidden, "PNG")
        hidden.replace(target)
        return size
