"""Runs one job from start to end: the engine, what can go wrong in it, publishing, the record."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from daemon.engine.executor import Executor, Outcome
from daemon.jobs.job import Job, Progress, Result, State
from daemon.outside.events import EventHub
from daemon.store.job_store import JobStore
from daemon.work.estimates import Estimates
from daemon.work.naming import result_name, result_suffix
from daemon.work.publish import STEM, discard_work, free_path, publish, work_folder
from seedvr2.errors import Cancelled, MediaError, OptionError, OutOfMemoryError, SeedVR2Error
from seedvr2.options import UpscaleOptions

log = logging.getLogger(__name__)
OnProgress = Callable[[Progress], None]
RETRY_S = 2.0


class JobRunner:
    """Takes one job after the other from `queued` to its end."""

    def __init__(self, store: JobStore, executor: Executor, estimates: Estimates, hub: EventHub, outputs: Path) -> None:
        self._store = store
        self._executor = executor
        self._estimates = estimates
        self._hub = hub
        self._outputs = outputs

    def run(
        self,
        job: Job,
        on_start: Callable[[Job], None],
        on_progress: OnProgress,
        cancelled: Callable[[], bool],
        stopping: Callable[[], bool],
    ) -> Job:
        """Run a waiting job and answer with its record afterwards: finished, or queued if the service stops.

        `on_start` gets its record as it runs.

        Raises:
            OSError: the start could not be recorded (the job still waits), or the service stops while the end
                cannot be recorded (the next start sorts it out).
        """
        job = self._store.save(job.start(time.time()))
        on_start(job)
        self._hub.publish(job)
        log.info("job %s: started, %s", job.id, job.draft.original_filename)
        result: Result | None = None
        ended = job
        try:
            result = self._run(job, on_progress, lambda: cancelled() or stopping())
        except Cancelled:
            if stopping() and not cancelled():
                ended = job.requeue(orderly=True)
            else:
                ended = job.cancel(time.time(), "Cancelled on request.")
        except SeedVR2Error as error:
            ended = job.fail(time.time(), str(error))
        except OSError as error:
            ended = job.fail(time.time(), _os_sentence(error))
        except Exception as error:
            # The boundary of the worker: whatever a file does to the engine fails that file's job only.
            log.exception("job %s: unexpected error", job.id)
            ended = job.fail(
                time.time(), f"The engine failed unexpectedly ({type(error).__name__}); the log says more."
            )
        if result is not None:
            announced = job.with_result(result)
            insist(lambda: self._store.save(announced), stopping)
            # After a failed attempt the record may be further than the job in hand.
            ended = insist(lambda: publish(self._store, self._outputs, self._store.get(job.id) or announced), stopping)
        else:
            discard_work(self._outputs, job.id)
            insist(lambda: self._store.save(ended), stopping)
        _log_end(ended)
        self._hub.publish(ended)
        return ended

    def _run(self, job: Job, on_progress: OnProgress, cancelled: Callable[[], bool]) -> Result:
        source = Path(job.draft.source)
        if not source.is_file():
            raise MediaError(f"The source {job.draft.original_filename} is gone.")
        options = UpscaleOptions.parse(job.draft.options)
        suffix = result_suffix(job.draft.media.kind, options.output_format)
        if suffix is None:
            raise OptionError("output_format", wrong_format(job.draft.media.kind, options.output_format))
        folder = work_folder(self._outputs, job.id)
        discard_work(self._outputs, job.id)
        folder.mkdir(parents=True)
        target = folder / (STEM + suffix)
        began = time.monotonic()
        outcome, options = self._execute(job, source, target, options, _Meter(job, on_progress), cancelled)
        self._estimates.measured(outcome.model, job.draft.work, time.monotonic() - began)
        return self._result(job, outcome, options, suffix)

    def _execute(
        self,
        job: Job,
        source: Path,
        target: Path,
        options: UpscaleOptions,
        meter: _Meter,
        cancelled: Callable[[], bool],
    ) -> tuple[Outcome, UpscaleOptions]:
        try:
            return self._engine(job, source, target, options, meter, cancelled), options
        except (OutOfMemoryError, MemoryError) as error:
            smaller = shrink(options)
            log.warning("job %s: out of memory (%s); again with %s", job.id, error, _difference(options, smaller))
        # Outside the except block: the traceback would keep the failed run's tensors alive.
        self._executor.unload()
        target.unlink(missing_ok=True)
        outcome = self._engine(job, source, target, smaller, meter, cancelled)
        note = f"Memory ran out, so it was made again with {_difference(options, smaller)}."
        return replace(outcome, warnings=(*outcome.warnings, note)), smaller

    def _engine(
        self,
        job: Job,
        source: Path,
        target: Path,
        options: UpscaleOptions,
        meter: _Meter,
        cancelled: Callable[[], bool],
    ) -> Outcome:
        try:
            return self._executor.run(
                source, target, options, model=job.draft.model, on_progress=meter, cancelled=cancelled
            )
        except MemoryError as error:
            raise OutOfMemoryError("There is not enough memory for this job. Ask for a smaller batch_size.") from error

    def _result(self, job: Job, outcome: Outcome, options: UpscaleOptions, suffix: str) -> Result:
        name = result_name(
            job.draft.original_filename,
            model=outcome.model,
            options=options.as_dict(),
            width=outcome.width,
            height=outcome.height,
            seconds=outcome.seconds,
            tiled=outcome.tiled,
            suffix=suffix,
        )
        return Result(
            path=str(free_path(self._outputs / job.draft.folder / name)),
            width=outcome.width,
            height=outcome.height,
            frames=outcome.frames,
            seconds=outcome.seconds,
            model=outcome.model,
            tiled=outcome.tiled,
            options=options.as_dict(),
            warnings=outcome.warnings,
        )


class _Meter:
    """Turns the engine's stages and frames into a percentage that never goes back, and the time left."""

    def __init__(self, job: Job, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._latest = Progress(job.id)
        self._first: tuple[float, float] | None = None

    def __call__(self, stage: str, done: int, total: int | None, share: float | None) -> None:
        now, share = time.monotonic(), min(share or 0.0, 1.0)
        if self._first is None and stage != "loading":
            self._first = now, share
        eta = None
        if self._first and share > self._first[1]:
            eta = (now - self._first[0]) / (share - self._first[1]) * (1 - share)
        self._latest = replace(
            self._latest,
            # 100 is only said of a job whose result is in its place.
            percent=max(min(int(100 * share), 99), self._latest.percent),
            stage=stage,
            frames_done=done,
            frames_total=total,
            eta_s=eta,
        )
        self._on_progress(self._latest)


def shrink(options: UpscaleOptions) -> UpscaleOptions:
    """The same wishes for less memory: tiles on and a step smaller, about half the batch."""
    quality = options.vae_quality
    if options.vae_tiling == "on" or quality == "high":
        quality = {"high": "medium", "medium": "low", "low": "low"}[quality]
    batch = max(4 * ((options.batch_size - 1) // 8) + 1, 1)
    overlap = min(options.temporal_overlap, max(batch - 1, 0))
    return replace(options, vae_tiling="on", vae_quality=quality, batch_size=batch, temporal_overlap=overlap)


def wrong_format(kind: str, output_format: str) -> str:
    """Why a picture cannot become a video file, or a video a picture file."""
    fitting = "mp4 or mkv" if kind == "video" else "png, jpg, webp or tiff"
    return f"A {kind} cannot be written as {output_format}. Ask for output_format auto, {fitting}."


def insist(action: Callable[[], Job], stopping: Callable[[], bool]) -> Job:
    """Do `action`, again and again while the disk refuses: a finished job must not be lost to a full disk.

    Raises:
        OSError: it still refuses when the service stops.
    """
    while True:
        try:
            return action()
        except OSError as error:
            log.error("a finished job cannot be recorded yet: %s", error)
            if stopping():
                raise
            time.sleep(RETRY_S)


def _log_end(job: Job) -> None:
    if job.state is State.COMPLETED and job.result is not None:
        seconds, model = job.result.seconds, job.result.model
        log.info("job %s: completed in %.1f s with %s: %s", job.id, seconds, model, job.result.path)
    elif job.state is State.FAILED:
        log.error("job %s: failed: %s", job.id, job.error)
    elif job.state is State.CANCELLED:
        log.info("job %s: cancelled", job.id)
    else:
        log.info("job %s: interrupted, runs again at the next start", job.id)


def _difference(before: UpscaleOptions, after: UpscaleOptions) -> str:
    old, new = before.as_dict(), after.as_dict()
    return ", ".join(f"{name} {new[name]}" for name in new if new[name] != old[name]) or "memory freed first"


def _os_sentence(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk of the outputs is full. Free some space, then retry the job."
    return f"A file could not be read or written: {error.strerror or type(error).__name__}."
