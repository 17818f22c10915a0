"""The last step of a video: one file of all its segments, with what else the source has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from seedvr2.media.failures import writing
from seedvr2.media.videos.joining import join
from seedvr2.media.videos.result_file import ResultFile
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.planning.disk import check_room
from seedvr2.segments.frozen import FrozenPlan


def make_result(
    plan: FrozenPlan,
    clip: VideoSource,
    target: Path,
    files: Sequence[Path],
    told: Iterable[str],
    report: Callable[[], None],
) -> tuple[str, ...]:
    """Join the segments of a plan and publish the result; answers all warnings of the job.

    Args:
        clip: the source, open. target: the file to make; it must not exist.
        files: of all segments, in order. told: the warnings that came up while they were made.
        report: called every few frames; may raise.

    Raises:
        MediaError: a segment is not what it should be. MachineError: the disk refuses.
    """
    with writing(target.name):
        # Before anything is written: what is on the disk, and then not all of it, is in the way of others.
        check_room(target.parent, sum(file.stat().st_size for file in files), f"Joining {target.name}")
    counts = [segment.frames for segment in plan.segments]
    result = ResultFile(target, plan.suffix, clip, *plan.size, plan.options.wish)
    try:
        with writing(target.name):
            join(result, files, counts, report)
    finally:
        result.abort()
    return tuple(dict.fromkeys((*told, *result.warnings, *plan.notes)))
