"""One upscale from its source to its result, and once more with less where memory runs out."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from functools import partial

import torch

from seedvr2.errors import OutOfMemoryError
from seedvr2.job_settings import frame_bytes
from seedvr2.making import joined_result, make_runs, make_whole
from seedvr2.media import MediaInfo, open_source
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.model import release_memory
from seedvr2.pipeline.latent_windows import grid_for
from seedvr2.planning.plan import Plan
from seedvr2.planning.planner import Request, next_smaller
from seedvr2.progress import Progress
from seedvr2.result import UpscaleResult
from seedvr2.segments.cutting import frames_at_a_time
from seedvr2.segments.freezing import Circumstances
from seedvr2.segments.video_job import VideoJob
from seedvr2.task import Task
from seedvr2.trouble import is_out_of_memory
from seedvr2.workshop import Workshop

log = logging.getLogger(__name__)


def make(workshop: Workshop, task: Task) -> UpscaleResult:
    """Do what a task asks for. Errors as for `Upscaler.upscale`."""
    with workshop.careful():
        try:
            return _attempt(workshop, task)
        except (RuntimeError, MemoryError, OSError, OutOfMemoryError) as error:
            if not isinstance(error, OutOfMemoryError) and not is_out_of_memory(error):
                raise
            if task.plan is None:  # not even planned
                raise
        # Outside the except block: the traceback would keep the failed run's tensors alive.
        return _attempt_smaller(workshop, task, task.plan)


def most_frames(
    workshop: Workshop, circumstances: Circumstances, request: Request, settings: Plan, info: MediaInfo
) -> int:
    """How many frames a segment of a video should have at most."""
    return frames_at_a_time(
        circumstances.size,
        request.facts.weights,
        gpu=workshop.device.type != "cpu",
        grid=grid_for(request.options, settings.window, settings.overlap, circumstances.vae),
        frame_bytes=frame_bytes(info, (info.width, info.height), info.bit_depth),
    )


def _attempt(workshop: Workshop, task: Task, smaller: Plan | None = None, note: str = "") -> UpscaleResult:
    """Open the source and make all of it. `smaller`: how, instead of what the planner says; `note`: why."""
    with open_source(task.source, task.options) as clip:
        request = workshop.planner.request(task.files, clip.info, task.options)
        plan = smaller or workshop.planner.plan(request, clip.info)
        if not isinstance(clip, VideoSource):
            task.plan = plan
            return make_whole(workshop, task, clip, request, plan)
        with VideoJob(clip, task.target, task.options, task.keep) as job:
            circumstances = workshop.circumstances(task.files, clip.info, request, task.check)
            most = most_frames(workshop, circumstances, request, plan, clip.info)
            scanning = partial(task.scanning, clip.info.frames)
            job.freeze(circumstances, plan, most, task.check, scanning=scanning, note=note, anew=bool(note))
            # What was chosen when the job began stays, whatever is free now.
            task.plan = job.plan.settings
            torch.set_num_threads(job.plan.threads)
            return _make_and_join(workshop, task, clip, request, job)


def _make_and_join(workshop: Workshop, task: Task, clip: VideoSource, request: Request, job: VideoJob) -> UpscaleResult:
    plan, started = job.plan, time.monotonic()
    told: tuple[str, ...] = ()
    # Where only the join is missing, no model is needed.
    if any(job.runs()):
        runs, total, done = job.runs(), plan.frames, job.frames_done
        work = make_runs(workshop, task, clip, request, plan, runs, job.recorder, total=total, done=done)
        started, told = work.started, work.warnings

    def report() -> None:
        task.check()
        task.report(Progress("writing", plan.frames, plan.frames, float(plan.frames)))

    warnings = (*job.finish(report), *told)
    seconds = max(job.seconds, time.monotonic() - started)
    return joined_result(plan, clip.info, task.target, task.files.name, seconds, warnings)


def _attempt_smaller(workshop: Workshop, task: Task, failed: Plan) -> UpscaleResult:
    """Once more, with less than what failed."""
    plan, note, request = smaller_plan(workshop, task, failed)
    try:
        result = _attempt(workshop, task, plan, note)
    except (RuntimeError, MemoryError, OSError, OutOfMemoryError) as error:
        if isinstance(error, OutOfMemoryError) or is_out_of_memory(error):
            # Not tried a third time, but the next such job need not begin with it.
            workshop.planner.ran_out(plan, request)
        raise
    return replace(result, warnings=tuple(dict.fromkeys((*result.warnings, note))))


def smaller_plan(workshop: Workshop, task: Task, failed: Plan) -> tuple[Plan, str, Request]:
    """What to try after memory ran out, what is to be said about it, and the request that it is for.

    Raises:
        OutOfMemoryError: there is nothing smaller.
    """
    release_memory()
    planner = workshop.planner
    with open_source(task.source, task.options) as clip:
        request = planner.request(task.files, clip.info, task.options)
    planner.ran_out(failed, request)
    plan = next_smaller(failed, request)
    if plan is None:
        raise workshop.out_of_memory()
    log.warning("%s: out of memory with %s; again with %s", task.source.name, failed.words(), plan.words())
    return plan, f"Memory ran out with {failed.words()}, so it was made again with {plan.words()}.", request
