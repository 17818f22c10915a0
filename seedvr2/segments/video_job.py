"""A video as a job of segments: planned once, made piece by piece, joined at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from seedvr2.errors import MediaError, SeedVR2Error
from seedvr2.media.failures import reading, writing
from seedvr2.media.opening import sink_suffix
from seedvr2.media.videos.result_file import ResultFile
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.options import UpscaleOptions
from seedvr2.planning.disk import check_room, disk_need
from seedvr2.planning.plan import Plan
from seedvr2.segments.finishing import make_result
from seedvr2.segments.folder import SegmentFolder, folder_beside, remove_leftovers
from seedvr2.segments.freezing import Circumstances, measured, unmeasured
from seedvr2.segments.frozen import FrozenPlan, SourceMark
from seedvr2.segments.recording import SegmentRecorder, segment_opener
from seedvr2.segments.runs import Run, runs_of
from seedvr2.segments.shots import Scan, scan

# Frames between two looks at whether the job is still wanted, and between two notes of what is known of the shots.
_LOOK, _NOTE = 25, 2000


class VideoJob:
    """One run of such a job. Use it in a `with` block, or what it holds stays locked.

    Attributes:
        plan: once `freeze` has been called.
    """

    plan: FrozenPlan

    def __init__(self, clip: VideoSource, target: Path, options: UpscaleOptions, keep: Path | None) -> None:
        """Finds out what there is of it already.

        Args:
            clip: the source, open. target: the file to make; it must not exist.
            keep: the folder of the segments; a hidden one beside the target, which goes with the job, where None.

        Raises:
            OptionError: the format cannot hold the source.
            MediaError: the target exists, or another run of the same job is at work.
        """
        self._clip, self._target, self._options = clip, target, options
        self.suffix = sink_suffix(target, clip, options)
        self._own = keep is None
        if self._own:
            remove_leftovers(target)
        with writing(target.name):
            self._folder = SegmentFolder(keep or folder_beside(target), target.name)

    def freeze(
        self,
        circumstances: Circumstances,
        settings: Plan,
        most: int,
        report: Callable[[], None],
        *,
        scanning: Callable[[int], None] | None = None,
        note: str = "",
        anew: bool = False,
    ) -> None:
        """Take up the plan that is there, or make one and keep it.

        Args:
            settings: of the machine, and `most`: frames of a segment; both used for a new plan only.
            report: called now and then while files are read; may raise.
            scanning: called instead while shots are looked for, with how many frames of it this call has seen: of that
                nothing is lost if it raises.
            anew: a new plan in any case, with `note` as to why.

        Raises:
            MediaError: the source is another one now, or cannot be decoded, or the target not be written.
        """
        # What cannot work fails now and not after hours.
        ResultFile(self._target, self.suffix, self._clip, *circumstances.size, self._options.wish).abort()
        with writing(self._target.name):
            self._seen = _seen(self._clip.path)
            mark, kept, done = SourceMark.of(self._clip.path), self._folder.plan(), self.frames_done
            wanted = unmeasured(self._clip, self._options, self.suffix, circumstances, settings, mark)
            changed = kept is not None and kept.source != mark and replace(kept, source=mark).makes_the_same(wanted)
            if changed and done and not self._folder.retried:
                raise self._changed()
            if kept is not None and not anew and kept.makes_the_same(wanted):
                self.plan = wanted.taking_over(kept)
                self._folder.follow(self.plan)
                self._folder.journal.verify([segment.frames for segment in kept.segments], report)
                self._check_disk()
                return
        if kept is not None and done and not note:
            note = f"{done} frames that were done are made again, since {wanted.instead_of(kept)}."
        look = scanning or (lambda _frames: report())
        look(0)
        known = self._scanned(mark, look)
        self.plan = replace(measured(wanted, known, most), notes=(note,) if note else ())
        with writing(self._target.name):
            self._folder.begin(self.plan)
            self._check_disk()

    def runs(self) -> Iterator[Run]:
        """What is still to be made, in as few pieces as possible."""
        return runs_of(self.plan, self._folder.journal.done)

    def recorder(self, run: Run, told: Callable[[], tuple[str, ...]]) -> SegmentRecorder:
        """Takes the frames of a run; `told`: the warnings so far."""
        open_part = segment_opener(self.plan, self._clip, self._target.name)
        return SegmentRecorder(
            self._target.name, run.segments, self._folder.journal, open_part, told, self._check_source
        )

    @property
    def frames_done(self) -> int:
        """Frames of finished segments."""
        return sum(done.frames for done in self._folder.journal.done.values())

    @property
    def seconds(self) -> float:
        """Of work on the finished segments."""
        return sum(done.seconds for done in self._folder.journal.done.values())

    def finish(self, report: Callable[[], None]) -> tuple[str, ...]:
        """Join the segments and publish the result; answers all warnings of the job.

        `report` is called every few frames; may raise.

        Raises:
            MediaError: a segment is not what it should be. MachineError: the disk refuses.
        """
        # Its sound and its tags are yet to be read.
        self._check_source()
        journal = self._folder.journal
        files = [journal.file(index) for index in range(len(self.plan.segments))]
        told = [warning for _, done in sorted(journal.done.items()) for warning in done.warnings]
        # Where the process ends between the name and the removal, the next one knows that nothing is missing.
        finished = self._folder.note_result if self._own else lambda _part: None
        warnings = make_result(self.plan, self._clip, self._target, files, told, report, finished)
        if self._own:
            self._folder.remove()
        return warnings

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own and not self._folder.journal.done and kind is not None:
            # Nothing in it would save anybody any time.
            self._folder.remove()
        self._folder.release()

    def _scanned(self, mark: SourceMark, report: Callable[[int], None]) -> Scan:
        with writing(self._target.name):
            known = self._folder.scan(mark)

        def note(now: Scan) -> None:
            with writing(self._target.name):
                self._folder.note_scan(mark, now)

        def on_progress(now: Scan) -> None:
            try:
                report(now.frames - known.frames)
            except SeedVR2Error:
                note(now)
                raise
            if now.frames % _NOTE == 0:
                note(now)

        found = scan(self._clip, known, every=_LOOK, on_progress=on_progress)
        if not found.frames:
            raise MediaError(f"{self._target.name} was not written, as there were no frames for it.")
        return found

    def _check_disk(self) -> None:
        """Refuse now what could not be finished even if the result were the smallest there is."""
        plan, target, folder = self.plan, self._target.parent, self._folder.path
        wish = plan.options.wish
        need = disk_need(self._clip.info, plan.size, self.suffix, plan.frames, plan.source.bytes, wish)
        there = sum(done.bytes for done in self._folder.journal.done.values())
        what = f"Making {self._target.name}"
        if target.stat().st_dev == folder.stat().st_dev:
            check_room(target, 2 * need.least - there, what)
        else:
            check_room(folder, need.least - there, what)
            check_room(target, need.least, what)

    def _check_source(self) -> None:
        """Raise MediaError if the source has become another one than the plan is for."""
        with reading(self._clip.path):
            seen = _seen(self._clip.path)
            if seen != self._seen and SourceMark.of(self._clip.path) != self.plan.source:
                raise self._changed()
        self._seen = seen

    def _changed(self) -> MediaError:
        anew = f"delete {self._folder.path.name} beside the result" if self._own else "retry it"
        return other_source(self._clip.path, anew)


def other_source(path: Path, anew: str = "retry it") -> MediaError:
    """What is to be raised where a source is another one than the finished segments are of. `anew`: how to begin."""
    return MediaError(
        f"{path.name} has changed since its work began, and the part that is done would not fit; put the former file "
        f"back, or {anew} to begin with this one."
    )


def _seen(path: Path) -> tuple[int, int, int]:
    """What a file shows at a glance when it is written to, or another one is in its place. Raises OSError."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
