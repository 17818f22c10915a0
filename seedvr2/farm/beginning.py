"""The plan that a job goes on with, on a machine that keeps nothing of it: the one there is, or a new one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from seedvr2.attempts import most_frames, smaller_plan
from seedvr2.farm.job_plan import JobPlan
from seedvr2.media import open_source, output_suffix
from seedvr2.media.failures import reading
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.planning.disk import disk_need
from seedvr2.planning.plan import Plan
from seedvr2.progress import Progress
from seedvr2.segments.freezing import freeze, unmeasured
from seedvr2.segments.frozen import FrozenPlan, SourceMark
from seedvr2.segments.video_job import other_source
from seedvr2.task import Task
from seedvr2.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is of a job already.

    Attributes:
        plan: that its finished segments follow. frames: that are finished.
        retried: whether a source that is another one by now is to be taken instead of refused.
        too_large: whether memory ran out with that plan.
    """

    plan: FrozenPlan
    frames: int = 0
    retried: bool = False
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """What to do: follow `plan`; `goes_on`: with the segments that are finished."""

    plan: JobPlan
    goes_on: bool


def begin(workshop: Workshop, task: Task, kept: Kept | None) -> Begun | None:
    """The plan of a video; None of what is not made in segments. It is `kept.plan`, segments and all, if that will do.

    Raises:
        MediaError: the source cannot be decoded, or is another one than the finished segments are of.
        OutOfMemoryError: there is no smaller way than that of a plan that was too large.
        OptionError, CheckpointError, MachineError, Cancelled: as their names say.
    """
    with open_source(task.source, task.options) as clip:
        if not isinstance(clip, VideoSource):
            return None
        planner = workshop.planner
        request = planner.request(task.files, clip.info, task.options)
        settings, note = _settings(workshop, task, kept)
        settings = settings or planner.plan(request, clip.info)
        circumstances = workshop.circumstances(task.files, clip.info, request, task.check)
        frozen: FrozenPlan | None = None
        if kept is not None and not note:
            with reading(clip.path):
                mark = SourceMark.of(clip.path)
            suffix = output_suffix(clip.info, task.options)
            wanted = unmeasured(clip, task.options, suffix, circumstances, settings, mark)
            changed = kept.plan.source != mark and replace(kept.plan, source=mark).makes_the_same(wanted)
            if changed and kept.frames and not kept.retried:
                raise other_source(clip.path)
            if kept.plan.makes_the_same(wanted):
                frozen = wanted.taking_over(kept.plan)
            elif kept.frames:
                note = f"{kept.frames} frames that were done are made again, since {wanted.instead_of(kept.plan)}."
        goes_on = frozen is not None
        if frozen is None:
            most = most_frames(workshop, circumstances, request, settings, clip.info)
            frozen = freeze(clip, task.options, circumstances, settings, most, _scanning(task, clip.info.frames))
            frozen = replace(frozen, notes=(note,) if note else ())
        source_bytes, wish = frozen.source.bytes, task.options.wish
        disk = disk_need(clip.info, frozen.size, frozen.suffix, frozen.frames, source_bytes, wish)
        return Begun(JobPlan(task.source, task.files.name, frozen, disk), goes_on)


def _settings(workshop: Workshop, task: Task, kept: Kept | None) -> tuple[Plan | None, str]:
    """What to do instead of a plan with which memory ran out, and the note about it."""
    if kept is None or not kept.too_large:
        return None, ""
    settings, note, _request = smaller_plan(workshop, task, kept.plan.settings)
    return settings, note


def _scanning(task: Task, frames: int | None) -> Callable[[], None]:
    def report() -> None:
        task.check()
        task.report(Progress("scanning", 0, frames, 0.0))

    return report
