"""Segments that were made apart from each other, joined to the result that one machine would have made."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from seedvr2.errors import MediaError, OptionError
from seedvr2.farm.agreement import check_encoder, check_source
from seedvr2.farm.job_plan import JobPlan, read_job_plan
from seedvr2.farm.unit import Flaw, Unit, unit_in
from seedvr2.making import joined_result
from seedvr2.media import open_source
from seedvr2.media.atomic import PartFile
from seedvr2.media.failures import reading, writing
from seedvr2.media.formats import usual_suffix
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.progress import OnProgress, Progress
from seedvr2.result import UpscaleResult
from seedvr2.segments.finishing import make_result
from seedvr2.segments.freezing import encoding
from seedvr2.segments.frozen import SourceMark
from seedvr2.segments.handing_over import PLAN
from seedvr2.segments.journal import Done, Journal


def join(
    job: JobPlan,
    folder: Path,
    target: Path,
    *,
    source: Path | None = None,
    on_progress: OnProgress = lambda _progress: None,
) -> UpscaleResult:
    """Make the result of all segments of a plan. The segments stay.

    Args:
        folder: with the segments, as `unit_in` names them. target: the file to make; it must not exist.
        source: where the source is now; where it was planned for if None.
        on_progress: called every few frames; may raise.

    Raises:
        OptionError: the target has another suffix than planned, or frames would be coded in another way here.
        MediaError: segments are missing or not what they should be, all of which the message names; or the source is
            another one, or the target exists.
        MachineError: the disk refuses.
    """
    plan, source = job.frozen, source or job.source
    units = [unit_in(folder, index, plan.fingerprint) for index in range(len(plan.segments))]
    files = [unit.path for unit in units]
    return _joined(job, source, target, files, lambda report: _all_done(job, units, report), on_progress)


def join_kept(
    keep: Path,
    source: Path,
    target: Path,
    *,
    on_progress: OnProgress = lambda _progress: None,
) -> UpscaleResult:
    """Make the result of a job whose segments are all in its folder, with the journal that tells of them.

    Args and errors as for `join`. `keep`: as of `Upscaler.upscale`; `write_plan` has put the plan there.
    """
    job = read_job_plan(keep / PLAN)
    with reading(source):
        journal = Journal(keep)
    count = len(job.frozen.segments)
    files = [journal.file(index) for index in range(count)]

    def all_done(_report: Callable[[], None]) -> list[Done]:
        missing = [index for index in range(count) if index not in journal.done or not files[index].is_file()]
        if missing:
            raise MediaError(
                f"{target.name} cannot be joined: the segments {_numbers(missing)} are missing; start again."
            )
        return [journal.done[index] for index in range(count)]

    return _joined(job, source, target, files, all_done, on_progress)


def _joined(
    job: JobPlan,
    source: Path,
    target: Path,
    files: list[Path],
    all_done: Callable[[Callable[[], None]], list[Done]],
    on_progress: OnProgress,
) -> UpscaleResult:
    plan = job.frozen
    if usual_suffix(target) not in ("", plan.suffix):
        what = f"The plan makes {plan.suffix[1:]}"
        raise OptionError("target", f"{what}; give {target.name} a name that ends in {plan.suffix}, or plan anew.")
    with reading(source):
        mark = SourceMark.of(source)
    check_source(plan, source, mark)
    frames = plan.frames

    def report() -> None:
        on_progress(Progress("writing", frames, frames, float(frames)))

    with open_source(source, plan.options) as clip:
        check_encoder(plan.encoder, encoding(clip, plan.options, plan.suffix, plan.size))
        done = all_done(report)
        told = [warning for each in done for warning in each.warnings]
        if isinstance(clip, VideoSource):
            told = list(make_result(plan, clip, target, files, told, report))
        else:
            _copy(files[0], target)
        return joined_result(plan, clip.info, target, job.model, sum(each.seconds for each in done), told)


def _all_done(job: JobPlan, units: Sequence[Unit], report: Callable[[], None]) -> list[Done]:
    done: list[Done] = []
    flaws: dict[Flaw, list[int]] = {}
    for unit, segment in zip(units, job.frozen.segments, strict=True):
        report()
        with reading(unit.path):
            found = unit.find()
        if isinstance(found, Done) and found.frames != segment.frames:
            found = Flaw.DAMAGED
        if isinstance(found, Done):
            done.append(found)
        else:
            flaws.setdefault(found, []).append(unit.index)
    if flaws:
        told = "; ".join(f"{flaw}: {_numbers(indexes)}" for flaw, indexes in flaws.items())
        raise MediaError(
            f"Of the {len(units)} segments, these cannot be joined ({told}); make them with `seedvr2 segment` and join "
            "again."
        )
    return done


def _numbers(indexes: Sequence[int]) -> str:
    """Ascending numbers as `1, 3-5`."""
    groups = itertools.groupby(enumerate(indexes), lambda each: each[1] - each[0])
    runs = [[index for _, index in group] for _, group in groups]
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _copy(file: Path, target: Path) -> None:
    part = PartFile(target)
    try:
        with writing(target.name):
            shutil.copyfile(file, part.path)
        part.publish()
    finally:
        part.discard()
