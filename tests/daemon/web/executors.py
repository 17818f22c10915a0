"""Executors whose work can be seen while it lasts, and told from its source."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from daemon.engine.executor import OnProgress, Outcome, never
from seedvr2.options import UpscaleOptions
from seedvr2.progress import Segments
from tests.daemon.executors import FakeExecutor


@dataclass
class Halting(FakeExecutor):
    """Stops when half of the frames are done, until `go` is set or the job is cancelled."""

    go: threading.Event = field(default_factory=threading.Event)

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
        def report(stage: str, done: int, total: int | None, share: float | None, *more: Segments | None) -> None:
            on_progress(stage, done, total, share, *more)
            while done == self.steps // 2 and not cancelled() and not self.go.wait(0.01):
                pass

        return super().run(
            source,
            target,
            options,
            model=model,
            on_progress=report,
            cancelled=cancelled,
            keep=keep,
            give_way=give_way,
        )


class Painting(FakeExecutor):
    """Whatever comes in, a red picture of twice the size comes out."""

    def _write(self, source: Path, target: Path) -> tuple[int, int]:
        if target.suffix == ".mp4":
            return super()._write(source, target)
        with Image.open(source) as picture:
            size = (picture.width * 2, picture.height * 2)
        Image.new("RGB", size, "red").save(target)
        return size
