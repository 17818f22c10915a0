"""Some segments of a plan, made on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from seedvr2.errors import MediaError, NeverFitsError, OptionError, OutOfMemoryError
from seedvr2.farm.agreement import check_machine, check_source
from seedvr2.farm.job_plan import JobPlan
from seedvr2.farm.unit import Flaw, Unit, UnitWriter, unit_in
from seedvr2.making import make_runs, make_whole
from seedvr2.media import Source, open_source
from seedvr2.media.failures import reading, writing
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.planning.disk import check_room
from seedvr2.planning.planner import Request
from seedvr2.segments.freezing import unmeasured
from seedvr2.segments.frozen import SourceMark
from seedvr2.segments.journal import Done
from seedvr2.segments.recording import SegmentRecorder, segment_opener
from seedvr2.segments.runs import runs_of
from seedvr2.task import Task
from seedvr2.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it, in the order of their numbers.

    Attributes:
        units: all that were asked for, with what is on record of each. found: those that were there already.
    """

    units: tuple[tuple[Unit, Done], ...]
    found: frozenset[Unit]


def make_segments(workshop: Workshop, job: JobPlan, units: Sequence[Unit], task: Task) -> Made:
    """Make those of some segments that are not there.

    Args:
        units: where they are to be. task: the source, and whom to ask and to tell.

    Raises:
        OptionError: this machine would not make what was planned; the message says what differs.
        MediaError: the source is another one, or a file of another kind is where a segment is to be.
        MachineError, CheckpointError, OutOfMemoryError, Cancelled: as their names say.
    """
    found = {unit: _found(unit) for unit in units}
    missing = {unit.index: unit for unit, done in found.items() if done is None}
    made: dict[int, Done] = {}
    if missing:
        try:
            with workshop.careful():
                made = _make(workshop, job, missing, task)
        except NeverFitsError:
            raise
        except OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"There is not enough memory on {workshop.device} to follow the plan; free some and start again, or "
                "make the plan anew with a smaller result, batch_size or model."
            ) from error
    there = frozenset(unit for unit, done in found.items() if done is not None)
    return Made(tuple((unit, done or made[unit.index]) for unit, done in found.items()), there)


def units_at(job: JobPlan, numbers: Sequence[int], target: Path) -> list[Unit]:
    """Where segments are to be: in a folder, which names them, or, a single one, in a file.

    Raises:
        OptionError: the plan has no such segment, or several are to go into one file.
    """
    last, plan = len(job.frozen.segments) - 1, job.frozen.fingerprint
    for number in numbers:
        if not 0 <= number <= last:
            raise OptionError("segments", f"The plan has the segments 0 to {last}; there is no {number}.")
    if target.is_dir():
        return [unit_in(target, number, plan) for number in numbers]
    if len(numbers) > 1:
        raise OptionError("target", f"Several segments go into a folder, and {target} is none; make it first.")
    return [Unit(number, target, plan) for number in numbers]


def _found(unit: Unit) -> Done | None:
    """What is there already; None if it has to be made."""
    with reading(unit.path):
        found = unit.find()
    if found == Flaw.FOREIGN:
        raise MediaError(
            f"{unit.path.name} exists already and is not this segment of this plan; move it away or choose another "
            "name."
        )
    return found if isinstance(found, Done) else None


def _make(workshop: Workshop, job: JobPlan, units: dict[int, Unit], task: Task) -> dict[int, Done]:
    with open_source(task.source, task.options) as clip:
        request = workshop.planner.request(task.files, clip.info, task.options)
        _check(workshop, job, clip, request, task)
        torch.set_num_threads(job.frozen.threads)
        writer = UnitWriter(units)
        try:
            for unit in units.values():
                with writing(unit.path.name):
                    _check_room(job, unit)
                    # Its record tells that it is ours, and that it is damaged.
                    unit.path.unlink(missing_ok=True)
            if isinstance(clip, VideoSource):
                _make_of_video(workshop, job, clip, request, task, writer, units)
            else:
                _make_of_picture(workshop, job, clip, request, task, writer, units)
        finally:
            writer.release()
        return writer.done


def _check_room(job: JobPlan, unit: Unit) -> None:
    plan = job.frozen
    least = job.disk.least * plan.segments[unit.index].frames // plan.frames
    check_room(unit.path.parent, least, f"Making {unit.path.name}")


def _check(workshop: Workshop, job: JobPlan, clip: Source, request: Request, task: Task) -> None:
    plan = job.frozen
    with reading(task.source):
        mark = SourceMark.of(task.source)
    check_source(plan, task.source, mark)
    here = workshop.circumstances(task.files, clip.info, request, task.check)
    check_machine(plan, unmeasured(clip, plan.options, plan.suffix, here, plan.settings, mark))


def _make_of_video(
    workshop: Workshop,
    job: JobPlan,
    clip: VideoSource,
    request: Request,
    task: Task,
    writer: UnitWriter,
    units: dict[int, Unit],
) -> None:
    plan, name = job.frozen, task.source.name
    runs = list(runs_of(plan, [index for index in range(len(plan.segments)) if index not in units]))
    make_runs(
        workshop,
        task,
        clip,
        request,
        plan,
        runs,
        lambda run, told: SegmentRecorder(name, run.segments, writer, segment_opener(plan, clip, name), told),
        total=sum(run.stop - run.start for run in runs),
    )


def _make_of_picture(
    workshop: Workshop,
    job: JobPlan,
    clip: Source,
    request: Request,
    task: Task,
    writer: UnitWriter,
    units: dict[int, Unit],
) -> None:
    for index in units:
        part = writer.part(index)
        # A result is known by its suffix and never replaces a file; what a crash left of it is ours, as the part is.
        task.target = part.with_name(f"{part.name}{job.frozen.suffix}")
        try:
            with writing(units[index].path.name):
                task.target.unlink(missing_ok=True)
            result = make_whole(workshop, task, clip, request, job.frozen.settings)
            with writing(units[index].path.name):
                shutil.copyfile(task.target, part)
            writer.add(index, result.frames, result.seconds, result.warnings)
        finally:
            if os.path.lexists(task.target):
                task.target.unlink()
