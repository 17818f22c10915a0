"""From a plan to results: what every way of running a job has in common, however much of it is made at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path

from seedvr2.job_settings import size_warnings
from seedvr2.media import MediaInfo, Sink, Source, open_sink
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.planning.plan import Plan
from seedvr2.planning.planner import Request
from seedvr2.restoration import Restoration
from seedvr2.result import UpscaleResult
from seedvr2.segments.frozen import FrozenPlan
from seedvr2.segments.runs import Run
from seedvr2.task import Stretch, Task, stretch_of
from seedvr2.workshop import Workshop

# Makes what takes the frames of a run, given how the warnings so far are asked for.
Recorder = Callable[[Run, Callable[[], tuple[str, ...]]], Sink]


def make_whole(workshop: Workshop, task: Task, clip: Source, request: Request, settings: Plan) -> UpscaleResult:
    """A source that is not made in segments: a picture or an animation.

    Raises:
        MediaError, MachineError, CheckpointError, OutOfMemoryError, Cancelled: as their names say.
    """
    with workshop.at_work(task, clip, request, settings, clip.info.frames) as work:
        size = work.settings.sizes.output
        sink = open_sink(task.target, clip, *size, task.options)
        frames = work.restore(Stretch(clip.frames(), sink), last=True)
    warnings = (*clip.warnings, *sink.warnings, *work.warnings)
    return UpscaleResult(
        path=task.target,
        model=task.files.name,
        width=size[0],
        height=size[1],
        frames=frames,
        seconds=time.monotonic() - work.started,
        tiled=settings.tile is not None,
        warnings=(*warnings, *size_warnings(clip.info, task.options, settings)),
    )


def make_runs(
    workshop: Workshop,
    task: Task,
    clip: VideoSource,
    request: Request,
    plan: FrozenPlan,
    runs: Iterable[Run],
    recorder: Recorder,
    *,
    total: int,
    done: int = 0,
) -> Restoration:
    """Segments of a video; answers what was at work.

    Args:
        recorder: takes their frames. total: frames to report of, of which `done` are there already.

    Raises:
        MediaError, MachineError, CheckpointError, OutOfMemoryError, Cancelled, Yielded: as their names say.
    """
    settings, runs = plan.settings, list(runs)
    clip.damaged, clip.entries = plan.damaged, plan.entries
    with workshop.at_work(task, clip, request, settings, total, done, _borders(plan, runs, done)) as work:
        for number, run in enumerate(runs):
            if number:
                task.pause()
            sink = recorder(run, lambda: (*clip.warnings, *work.warnings))
            work.restore(stretch_of(run, clip.frames(run.first), sink, plan))
        work.finish()
    return work


def _borders(plan: FrozenPlan, runs: Iterable[Run], done: int) -> list[int]:
    """How many frames there are at the end of each segment: first of those that are `done`, then of the others."""
    making = {index: segment.frames for run in runs for index, segment in run.segments}
    made = [segment.frames for index, segment in enumerate(plan.segments) if index not in making] if done else []
    return list(accumulate([*made, *making.values()]))


def joined_result(
    plan: FrozenPlan, info: MediaInfo, target: Path, model: str, seconds: float, warnings: Iterable[str]
) -> UpscaleResult:
    """What there is to say of a video that was joined. `info`: of the source. `model`: its name."""
    return UpscaleResult(
        path=target,
        model=model,
        width=plan.size[0],
        height=plan.size[1],
        frames=plan.frames,
        seconds=seconds,
        tiled=plan.settings.tile is not None,
        warnings=tuple(dict.fromkeys((*warnings, *size_warnings(info, plan.options, plan.settings)))),
    )
