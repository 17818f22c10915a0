"""Runs one job from its start to the end of the engine's work, and says what has become of it."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from daemon.engine.executor import Executor, Outcome
from daemon.errors import CardFullError, EngineBugError, EngineError
from daemon.jobs.job import Job, Result
from daemon.outside.events import EventHub
from daemon.store.job_store import JobStore
from daemon.work.engine_trouble import EngineTrouble
from daemon.work.estimates import Estimates
from daemon.work.meter import Meter, OnProgress
from daemon.work.naming import result_name, result_suffix, wrong_format
from daemon.work.orders import Orders
from daemon.work.publish import free_path
from daemon.work.source import Sources
from daemon.work.work_folder import STEM, WorkFolder
from seedvr2.errors import (
    Cancelled,
    MachineError,
    MemoryTakenError,
    OptionError,
    OutOfMemoryError,
    SeedVR2Error,
    Yielded,
)
from seedvr2.options import UpscaleOptions
from seedvr2.trouble import is_machine_trouble, is_out_of_memory

log = logging.getLogger(__name__)
_NO_FOLDER = "The folder of the results went away during the work."


class RefusedError(Exception):
    """The machine refused, whatever the file: the job waits again. `.job` is its record, `.errno` the system's word."""

    def __init__(self, job: Job, reason: str, number: int) -> None:
        super().__init__(reason)
        self.job = job
        self.errno = number


class JobRunner:
    """Takes jobs through the engine; several at a time, where `run_of` allows that."""

    def __init__(
        self,
        store: JobStore,
        executor: Executor,
        estimates: Estimates,
        hub: EventHub,
        outputs: Path,
        work: WorkFolder,
        sources: Sources,
        run_of: Callable[[Job], Callable[..., Outcome]] | None = None,
    ) -> None:
        """`run_of`: answers what runs a job, as `Executor.run`; the executor itself where None."""
        self._store = store
        self._estimates = estimates
        self._hub = hub
        self._outputs = outputs
        self._work = work
        self._sources = sources
        self._resolve = executor.resolve
        self._run_of = run_of or (lambda _job: executor.run)
        self._noting = threading.Lock()
        self.engine = EngineTrouble()

    def run(
        self,
        job: Job,
        on_start: Callable[[Job], None],
        on_progress: OnProgress,
        orders: Orders,
    ) -> Job:
        """Run a waiting job; answers its record as it is to be: with its result, failed, cancelled, or queued again.

        Nothing but the start is in the store by then. `on_start` gets its record as it runs; `orders` says while
        it does that it is to stop, or to let others go first.

        Raises:
            OSError: the start could not be recorded; the job still waits.
            RefusedError: the machine is in trouble.
        """
        job = self._store.save(job.start(time.time(), self._model_of(job)))
        on_start(job)
        self._hub.publish(job)
        log.info("job %s: started with %s, %s", job.id, job.model or "a model", job.draft.original_filename)
        began = time.monotonic()
        try:
            ended = self._run(job, on_progress, orders)
        except RefusedError as refusal:
            refusal.job = refusal.job.with_time(time.monotonic() - began)
            raise
        return ended.with_time(time.monotonic() - began)

    def _run(self, job: Job, on_progress: OnProgress, orders: Orders) -> Job:
        try:
            result = self._result_of(job, on_progress, orders)
            with self._noting:
                self.engine.did(job)
            return job.with_result(result)
        except Cancelled:
            if orders.interrupted and not orders.cancelled():
                return self._let_go(job, orders)
            return job.cancel(time.time(), "Cancelled on request.")
        except Yielded:
            return self._let_go(job, orders)
        except (EngineError, CardFullError, MemoryTakenError) as error:
            reached = self._work.reached(job.id)
            self._work.clear(job.id)
            with self._noting:
                return self.engine.failed(job, error, reached)
        except MachineError as error:
            raise self._refused(job, str(error), error.errno) from error
        except (SeedVR2Error, EngineBugError) as error:
            return job.fail(time.time(), str(error))
        except OSError as error:
            if is_machine_trouble(error):
                raise self._refused(job, _os_sentence(error), error.errno or 0) from error
            return job.fail(time.time(), _os_sentence(error))
        except Exception as error:
            # The boundary of the worker: whatever a file does to the engine fails that file's job only.
            log.exception("job %s: unexpected error", job.id)
            return job.fail(time.time(), f"The engine failed unexpectedly ({type(error).__name__}); the log says more.")

    def _model_of(self, job: Job) -> str:
        """The file of its model; empty if there is none, which the engine will say."""
        try:
            return self._resolve(job.draft.model)
        except Exception as error:
            # It is only told: whatever is wrong, the run itself meets it and knows what that means for the job.
            log.debug("job %s: its model cannot be named: %s", job.id, error)
            return ""

    def _let_go(self, job: Job, orders: Orders) -> Job:
        reached = self._work.reached(job.id)
        if job.draft.media.kind == "video" and reached > job.reached:
            # A segment more is as good as a job: the engine is well.
            with self._noting:
                self.engine.did(job)
        return job.requeue(orderly=True, reached=reached).with_progress(orders.progress())

    def _refused(self, job: Job, reason: str, number: int) -> RefusedError:
        # At once: how much room there is afterwards tells how much was missing.
        self._work.clear(job.id)
        return RefusedError(job.requeue(orderly=True), reason, number)

    def _result_of(self, job: Job, on_progress: OnProgress, orders: Orders) -> Result:
        options = UpscaleOptions.parse(job.draft.options)
        suffix = result_suffix(job.draft.media, options)
        if suffix is None:
            raise OptionError("output_format", wrong_format(job.draft.media, options.output_format))
        with self._sources.open(job) as source:
            target = self._folder_for(job) / (STEM + suffix)
            began = time.monotonic()
            meter = Meter(job, on_progress, lambda frames: self._work.note_reached(job.id, frames))
            try:
                outcome = self._engine(job, source, target, options, meter, orders)
            except Exception as error:
                if isinstance(error, (Cancelled, Yielded)) or target.parent.is_dir():
                    raise
                # Whatever it looks like from inside: the disk went, or somebody moved the folder.
                raise MachineError(_NO_FOLDER, errno.ENOENT) from error
            seconds = time.monotonic() - began
        # From here on the result is there, and only putting it in its place may fail.
        result = self._named(job, outcome, options, suffix)
        self._work.note_result(job.id, result)
        # What earlier starts have done is part of the work, too.
        self._estimates.measured(outcome.model, job.draft.work, max(seconds, outcome.seconds))
        return result

    def _folder_for(self, job: Job) -> Path:
        former = job.draft.retry_of
        try:
            # One that still waits or runs needs them itself; one that is deleted does not.
            if former and ((known := self._store.get(former)) is None or known.finished):
                self._work.inherit(job.id, former)
            return self._work.fresh(job.id)
        except FileNotFoundError as error:
            # It was there when the job was taken.
            raise MachineError(_NO_FOLDER, errno.ENOENT) from error

    def _engine(
        self,
        job: Job,
        source: Path,
        target: Path,
        options: UpscaleOptions,
        meter: Meter,
        orders: Orders,
    ) -> Outcome:
        try:
            return self._run_of(job)(
                source,
                target,
                options,
                model=job.draft.model,
                on_progress=meter,
                cancelled=lambda: orders.cancelled() or orders.interrupted,
                give_way=orders.give_way,
                keep=self._work.segments(job.id),
            )
        except (MemoryError, RuntimeError, OSError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemoryError("There is not enough memory for this job. Ask for a smaller batch_size.") from error

    def _named(self, job: Job, outcome: Outcome, options: UpscaleOptions, suffix: str) -> Result:
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
            places=outcome.places,
        )


def _os_sentence(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk of the outputs is full. Free some space, then retry the job."
    return f"A file could not be read or written: {error.strerror or type(error).__name__}."
