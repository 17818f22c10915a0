"""The frames of one source on their way through a loaded model, and the reports about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from seedvr2.job_settings import JobSettings
from seedvr2.media import Frame, MediaInfo, Pixels, Sink
from seedvr2.model import Model
from seedvr2.pipeline.frame_transfer import frame_transfer
from seedvr2.pipeline.overlap import ReadAhead, WriteBehind
from seedvr2.pipeline.restore import BatchRestorer
from seedvr2.pipeline.stitching import stitch
from seedvr2.pipeline.stream import restore_stream, to_integer
from seedvr2.planning.plan import Plan
from seedvr2.progress import ProgressMeter
from seedvr2.task import Stretch, Task


class Restoration:
    """Restores stretches of a source, one after the other.

    Attributes:
        settings: of the pipeline. started: when, on the monotonic clock.
    """

    def __init__(
        self,
        model: Model,
        device: torch.device,
        info: MediaInfo,
        task: Task,
        plan: Plan,
        total: int | None,
        done: int,
        borders: Sequence[int] = (),
    ) -> None:
        """`total`: frames that there will be, None if that is not known; `done`: those that there are already.

        `borders`: of a video, as for `ProgressMeter`.
        """
        self.started = time.monotonic()
        self.settings = JobSettings.prepare(model, info, task.options, plan)
        self._info, self._task = info, task
        held = plan.window if plan.overlap else 0
        self._meter = ProgressMeter(task.report, total, self.settings.step, held, done, borders)
        self._writer = self._new_writer(bits=16)
        self._transfer = frame_transfer(device)
        if not plan.in_turn:
            # An earlier job may have left one of them in main memory.
            model.dit.onload()
            model.vae.onload()
        self._restorer = BatchRestorer(model, self.settings.restore, self._on_stage)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the networks' results gave reason to say so far."""
        return tuple(self._restorer.warnings)

    def restore(self, stretch: Stretch, *, last: bool = False) -> int:
        """Restore all of a stretch; answers the frames that were written. `last`: nothing comes after it.

        Raises:
            MediaError, MachineError, OutOfMemoryError, Cancelled, Yielded: as their names say.
        """
        frames, settings, transfer = 0, self.settings, self._transfer
        self._writer = writer = self._new_writer(stretch.sink.bit_depth)
        ready = (replace(frame, image=transfer.staged(frame.image)) for frame in stretch.frames)
        with (
            stretch.sink as sink,
            ReadAhead(ready, settings.reading_depth(self._info)) as frames_in,
            writer,
            closing(self._restored(stretch, frames_in)) as stream,
        ):
            for frame, image in islice(stream, stretch.unused, stretch.limit):
                writer.put(partial(_write, sink, transfer.fetched(to_integer(image, sink.bit_depth)), frame))
                frames += 1
                self._meter.frame()
                if frames in stretch.borders and self._task.give_way():
                    writer.flush()
                    self._task.pause()
            if stretch.parts and stretch.limit is None:
                # More than were counted are the sink's to complain of.
                for frame in frames_in:
                    writer.put(partial(sink.write, frame.image, frame))
            if last:
                self.finish()
        return frames

    def _restored(self, stretch: Stretch, frames: Iterator[Frame]) -> Generator[tuple[Frame, Tensor], None, None]:
        if not stretch.parts:
            yield from restore_stream(
                frames, _image, self._restorer, self.settings.stream, shots=stretch.shots, batch=stretch.batch
            )
        for place, part in stretch.parts:
            whole = part.grid.decoder_lead > 0
            self._meter.begin(*((len(part.wanted), 0) if whole else (part.grid.step_frames, part.grid.overlap)))
            yield from stitch(frames, _image, self._restorer, self.settings.stream, part, place)

    def finish(self) -> None:
        """Report that all of it is restored."""
        self._on_stage("writing", 1.0)

    def _new_writer(self, bits: int) -> WriteBehind:
        return WriteBehind(self.settings.writing_depth(self._info, bits))

    def _on_stage(self, stage: str, share: float) -> None:
        # Not only with the next frame, which may be minutes away.
        self._writer.check()
        self._task.check()
        self._meter.stage(stage, share)


def _image(frame: Frame) -> Pixels:
    return frame.image


def _write(sink: Sink, image: Callable[[], Pixels], frame: Frame) -> None:
    sink.write(image(), frame)
