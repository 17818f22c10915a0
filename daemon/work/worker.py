"""The one GPU worker: runs jobs, switches and unloads models. Here is what others see of it and ask of it.

Nobody waits for it but those who ask for a model: everything else reads what its thread (`loop.py`) has written down.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from daemon.engine.executor import Executor
from daemon.errors import RequestError
from daemon.jobs.job import Job, Progress
from daemon.work.between import Between, stopped
from daemon.work.board import Board
from daemon.work.loop import Loop
from daemon.work.means import Means

T = TypeVar("T")


class Activity(enum.StrEnum):
    """What the worker is doing."""

    IDLE = "idle"
    LOADING = "loading"
    PROCESSING = "processing"
    DEAD = "dead"


class Worker:
    """Owns the executor: no thread but its own may call that, except for `probe` and `model`. Of it, any may ask.

    Args:
        idle_timeout_s: seconds without work until the model is unloaded; 0 never.
    """

    def __init__(self, means: Means, *, idle_timeout_s: float) -> None:
        self._runner = means.runner
        self._queue = means.queue
        self._surroundings = means.surroundings
        self._ends = means.ends
        self._models = means.models
        self._capacity = means.capacity
        self.hold = means.hold
        self._board = Board()
        self._between = Between(means.executor, idle_timeout_s)
        loop = Loop(self._board, self._between, means)
        self._thread = threading.Thread(target=loop.main, name="worker", daemon=True)

    # -- what it does -------------------------------------------------------------------------------------

    @property
    def running(self) -> list[tuple[Job, Progress | None]]:
        """The jobs that run, with how far they are; the one that began first comes first."""
        return self._board.running.all

    @property
    def current(self) -> Job | None:
        """The first of them."""
        first = self._board.running.first
        return first[0] if first else None

    @property
    def progress(self) -> Progress | None:
        """How far that is."""
        first = self._board.running.first
        return first[1] if first else None

    def progress_of(self, job_id: str) -> Progress | None:
        """How far a job is; None if it does not run."""
        return self._board.running.progress(job_id)

    @property
    def lanes(self) -> int:
        """How many units can be made at a time, at least one."""
        return max(self._capacity(), 1) if self._capacity else 1

    @property
    def activity(self) -> Activity:
        """What it is doing; `DEAD` once its thread has ended without being asked to."""
        if not self._thread.is_alive():
            return Activity.DEAD
        if self.loading_model is not None:
            return Activity.LOADING
        return Activity.PROCESSING if self.current or self._between.busy else Activity.IDLE

    @property
    def paused(self) -> str:
        """Why no job is started; empty if they are."""
        return self._board.paused

    @property
    def heartbeat(self) -> float:
        """When its thread has moved last, as `time.monotonic` counts."""
        return self._board.heartbeat

    @property
    def problems(self) -> list[str]:
        """What keeps it from its work."""
        # Where nothing waits, nobody can tell whether it is over.
        engine = self._runner.engine.problems if len(self._queue) or self.current else []
        said = (self.paused, *engine, *self._models.problems, *self._surroundings.problems, *self._ends.problems)
        return list(dict.fromkeys(text for text in said if text))

    @property
    def alone(self) -> bool:
        """Whether the running job ended the process before: no probe may run beside it that could be at fault too."""
        return any(job.starts > 1 for job, _ in self._board.running.all)

    @property
    def model_idle_s(self) -> float | None:
        """Seconds since the loaded model was last used; None while it is in use or none is loaded."""
        return None if self.current is not None else self._between.idle_s

    @property
    def loading_model(self) -> str | None:
        """The model that is being loaded on request, if one is."""
        return self._between.loading_model

    # -- what is asked of it ------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Interrupt the running job, which is queued again, and end. False if it is still busy after `timeout`."""
        self._board.stopping.set()
        self.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def notify(self) -> None:
        """There may be something to do."""
        self._board.notify()

    def cancel(self, job_id: str) -> bool:
        """Stop this job if it is the running one, or one whose end is still to be carried out; it ends soon after."""
        with self._board.lock:
            if job_id not in self._board.running and not self._ends.holds(job_id):
                return False
            self._board.cancelled.add(job_id)
            return True

    def switch(self, model: str) -> Future[str]:
        """Load `model` when the running job has ended, or lets others go first; the future holds its file name.

        Raises:
            RequestError (503): the worker has stopped. The future raises it, too.
        """
        if self.activity is Activity.DEAD:
            raise stopped()
        future = self._between.load(model)
        self.notify()
        return future

    def urgent(self, call: Callable[[Executor], T]) -> Future[T]:
        """Make `call` for somebody who waits at the screen, within seconds, whatever runs; the future holds its result.

        The running job makes room: a video where its present segment is finished if that is near, and otherwise at the
        engine's next step, as a picture whose end is not near; it waits again, goes on by itself, and has lost that one
        segment at the most. `call` runs in the worker's thread and should take seconds. Cancelling the future before it
        runs takes it back.

        Raises:
            RequestError (503): the worker has stopped, or the machine is in trouble. The future raises it, too.
        """
        if self.activity is Activity.DEAD:
            raise stopped()
        if self.paused:
            raise RequestError(503, f"Nothing can be computed now: {self.paused}.", headers={"Retry-After": "30"})
        future = self._between.call(call)
        self.notify()
        return future

    def model_trouble(self, model: str) -> str:
        """Why tasks with this model, or the default one if it is empty, wait; empty if they do not."""
        return self._models.reason(model)

    def model_removed(self, model: str) -> None:
        """Somebody had this model removed."""
        self._models.removed(model)

    def settle(self, job: Job) -> None:
        """Settle a job that has ended: at once, or later if the disk refuses."""
        self._ends.settle(job)

    def waits_for(self, job: Job) -> str:
        """Why a waiting job does not begin though it is its turn, or what a video lets go first."""
        reason, current = self.held_up_by(job), self.current
        if not job.segments_total:
            return reason
        if not reason and current is not None and current.id != job.id:
            reason = f"it waits for {current.draft.original_filename}"
        done = f"{job.segments_done} of {job.segments_total} segments are done"
        return f"{reason}; {done}" if reason else done

    def held_up_by(self, job: Job) -> str:
        """What keeps a waiting job from beginning whatever the others do; empty if nothing does."""
        return self._surroundings.waits_for(job) or self._models.waits_for(job) or self.hold.reason

    def offload(self) -> bool:
        """Unload the model; True if that has to wait for the running job."""
        self._between.unload()
        self.notify()
        return self.current is not None
