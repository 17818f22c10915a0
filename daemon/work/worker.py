"""The one GPU worker thread: runs jobs, switches and unloads models, and shows that it is alive.

Nobody waits for it but those who ask for a model: everything else reads plain attributes that it replaces whole.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from daemon.engine.executor import Executor
from daemon.errors import RequestError
from daemon.jobs.job import Job, Progress
from daemon.jobs.queue import JobQueue
from daemon.work.between import Between, stopped
from daemon.work.crowd import Crowd, CrowdSchedule, Ended
from daemon.work.ends import EndRefusedError, Ends
from daemon.work.estimates import Estimates
from daemon.work.hold import Hold
from daemon.work.model_trouble import ModelTrouble
from daemon.work.orders import Abandoned, Orders
from daemon.work.runner import JobRunner, RefusedError
from daemon.work.running import RunningJobs
from daemon.work.schedule import Schedule
from daemon.work.surroundings import Surroundings

log = logging.getLogger(__name__)
# How often an idle worker looks around without being woken.
TICK_S = 1.0
T = TypeVar("T")


class Activity(enum.StrEnum):
    """What the worker is doing."""

    IDLE = "idle"
    LOADING = "loading"
    PROCESSING = "processing"
    DEAD = "dead"


class Worker:
    """Owns the executor: no other thread may call it, except for `probe` and `model`.

    Args:
        ends: what is left to do for jobs that the engine is done with. models: whether the models of jobs are there.
        hold: whether the queue is held though nothing is wrong.
        capacity: how many units the executor makes at a time, where it is one that runs several jobs; None: one job.
        idle_timeout_s: seconds without work until the model is unloaded; 0 never.
    """

    def __init__(
        self,
        runner: JobRunner,
        executor: Executor,
        queue: JobQueue,
        surroundings: Surroundings,
        ends: Ends,
        models: ModelTrouble,
        *,
        estimates: Estimates,
        hold: Hold,
        idle_timeout_s: float,
        capacity: Callable[[], int] | None = None,
    ) -> None:
        self._runner = runner
        self._executor = executor
        self._queue = queue
        self._estimates = estimates
        self._running = RunningJobs()
        self._capacity = capacity
        self._crowd = Crowd() if capacity else None
        self._schedule: Schedule | CrowdSchedule = (
            CrowdSchedule(queue, estimates, self._ready, capacity, self._running)
            if capacity
            else Schedule(queue, estimates, self._ready)
        )
        self._surroundings = surroundings
        self._ends = ends
        self._models = models
        self._between = Between(executor, idle_timeout_s)
        self._wake = threading.Condition()
        self._stop = threading.Event()
        self._cancelled: set[str] = set()
        self._abandoned = Abandoned()
        self._news = False
        self._thread = threading.Thread(target=self._main, name="worker", daemon=True)
        self.hold = hold
        self.paused = ""
        self.heartbeat = time.monotonic()
        self.on_progress: Callable[[Job, Progress], None] = lambda _job, _progress: None

    # -- for other threads --------------------------------------------------------------------------------

    @property
    def running(self) -> list[tuple[Job, Progress | None]]:
        """The jobs that run, with how far they are; the one that began first comes first."""
        return self._running.all

    @property
    def current(self) -> Job | None:
        """The first of them."""
        with contextlib.suppress(IndexError):
            return self._running.first[0]
        return None

    @property
    def progress(self) -> Progress | None:
        """How far that is."""
        with contextlib.suppress(IndexError):
            return self._running.first[1]
        return None

    @progress.setter
    def progress(self, progress: Progress) -> None:
        self._running.progressed(progress)

    def progress_of(self, job_id: str) -> Progress | None:
        """How far a job is; None if it does not run."""
        return self._running.progress(job_id)

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
    def problems(self) -> list[str]:
        """What keeps it from its work."""
        # Where nothing waits, nobody can tell whether it is over.
        engine = self._runner.engine.problems if len(self._queue) or self.current else []
        said = (self.paused, *engine, *self._models.problems, *self._surroundings.problems, *self._ends.problems)
        return list(dict.fromkeys(text for text in said if text))

    @property
    def alone(self) -> bool:
        """Whether the running job ended the process before: no probe may run beside it that could be at fault too."""
        return any(job.starts > 1 for job, _ in self._running.all)

    @property
    def model_idle_s(self) -> float | None:
        """Seconds since the loaded model was last used; None while it is in use or none is loaded."""
        return None if self.current is not None else self._between.idle_s

    @property
    def loading_model(self) -> str | None:
        """The model that is being loaded on request, if one is."""
        return self._between.loading_model

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Interrupt the running job, which is queued again, and end. False if it is still busy after `timeout`."""
        self._stop.set()
        self.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def notify(self) -> None:
        """There may be something to do."""
        with self._wake:
            self._news = True
            self._wake.notify_all()

    def cancel(self, job_id: str) -> bool:
        """Stop this job if it is the running one, or one whose end is still to be carried out; it ends soon after."""
        with self._wake:
            if job_id not in self._running and not self._ends.holds(job_id):
                return False
            self._cancelled.add(job_id)
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
        """Why tasks with this model, or the default one if it is empty, wait; empty if they do not. For any thread."""
        return self._models.reason(model)

    def model_removed(self, model: str) -> None:
        """Somebody had this model removed. For any thread."""
        self._models.removed(model)

    def settle(self, job: Job) -> None:
        """Settle a job that has ended: at once, or later if the disk refuses. For any thread."""
        self._ends.settle(job)

    def waits_for(self, job: Job) -> str:
        """Why a waiting job does not begin though it is its turn, or what a video lets go first. For any thread."""
        reason, current = self.held_up_by(job), self.current
        if not job.segments_total:
            return reason
        if not reason and current is not None and current.id != job.id:
            reason = f"it waits for {current.draft.original_filename}"
        done = f"{job.segments_done} of {job.segments_total} segments are done"
        return f"{reason}; {done}" if reason else done

    def held_up_by(self, job: Job) -> str:
        """What keeps a waiting job from beginning whatever the others do; empty if nothing does. For any thread."""
        return self._surroundings.waits_for(job) or self._models.waits_for(job) or self.hold.reason

    def offload(self) -> bool:
        """Unload the model; True if that has to wait for the running job."""
        self._between.unload()
        self.notify()
        return self.current is not None

    # -- in the worker's thread ---------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            self._prepare()
            while not self._stop.is_set():
                self.heartbeat, self._news = time.monotonic(), False
                if not self._step():
                    with self._wake:
                        if not self._has_work():
                            self._wake.wait(TICK_S)
            self._see_out()
            self._executor.unload()
        except Exception:
            # /health turns to 503 and the watchdog is let go: systemd starts the service again.
            log.critical("the worker thread has died", exc_info=True)
            raise
        finally:
            self._between.close()

    def _prepare(self) -> None:
        try:
            self._executor.prepare()
        except Exception:
            # Each job will fail with the same error and say so; the API has to stay up to tell.
            log.exception("the engine cannot be prepared")

    def _has_work(self) -> bool:
        # What was refused is tried again at the next tick, not at once.
        return self._stop.is_set() or self._news or bool(self._between)

    def _see_out(self) -> None:
        """The jobs that still run were told to stop: what they are to be is recorded, as of a single one."""
        while self._crowd is not None and self._crowd.busy:
            with self._wake:
                if not self._crowd.ended:
                    self._wake.wait(TICK_S)
            self._next_ended()

    def _next_ended(self) -> bool:
        ended = self._crowd.next_ended() if self._crowd is not None else None
        if ended is None:
            return False
        self._ran(*ended)
        return True

    def _step(self) -> bool:
        """Do one thing; False if there was nothing to do."""
        if self._next_ended():
            return True
        if self._between.do_next():
            return True
        self._ends.settle_left(self._alive)
        if self._ends.first is not None:
            if self._end(self._ends.first.job):
                return True
            # Where only one folder of the results is in trouble, others need not wait.
            if self.paused:
                return False
        self._pause(self._surroundings.trouble(waiting=len(self._queue) > 0) or self._runner.engine.pause())
        self._surroundings.look(self._queue.waiting)
        self._models.look(self._queue.waiting)
        self._estimates.default = self._models.default
        with self._wake:
            # Under the lock, so that a cancel finds the job in the queue or here, never in neither.
            job = None if self.paused or self.hold.by else self._schedule.take()
            if job is not None:
                self._running.begin(job, Progress.of(job))
        if job is None:
            if not len(self._running):
                self._between.unload_when_idle()
            return False
        if self._crowd is None:
            self._ran(job, self._run(job))
        else:
            self._crowd.begin(job, lambda: self._run(job), self.notify)
        return True

    def _ready(self, job: Job) -> bool:
        return self._surroundings.ready(job) and self._runner.engine.ready(job) and self._models.ready(job)

    def _run(self, job: Job) -> Ended:
        """What is to become of a job, or what kept it from being run. In its own thread, where there are several."""
        try:
            return self._runner.run(
                job,
                on_start=self._started,
                on_progress=self._progressed,
                orders=self._orders(job),
            )
        except Exception as error:
            return error

    def _ran(self, job: Job, ended: Ended) -> None:
        if isinstance(ended, RefusedError):
            ended = self._refused(ended)
        elif isinstance(ended, OSError):
            log.error("job %s: its start cannot be recorded: %s", job.id, ended)
            self._surroundings.blame(job, ended.errno or 0, str(ended))
            self._let_go(job)
            self._queue.put(job)
            return
        elif isinstance(ended, Exception):
            # One odd record must not end the thread that all others need; the next start takes it up.
            log.error("job %s: it cannot be started", job.id, exc_info=ended)
            self._let_go(job)
            return
        self._schedule.ran(ended)
        self._ends.begin(ended)
        self._end(ended)

    def _orders(self, job: Job) -> Orders:
        return Orders(
            job,
            cancelled=lambda: self._alive() and job.id in self._cancelled,
            stopping=self._stop.is_set,
            # Who runs several jobs has its own thread for what is urgent.
            urgent_s=lambda: self._between.urgent_s if self._crowd is None else None,
            others=lambda: self._others_first(job),
            at_once=lambda: self.hold.at_once,
            progress=lambda: self._running.progress(job.id),
            abandoned=self._abandoned,
            expected_s=self._schedule.expected_s(job),
        )

    def _others_first(self, job: Job) -> bool:
        if self.hold.by or (self._crowd is not None and self.paused):
            return True
        running = self.current or job
        # Where no other one could begin, the running one goes on.
        return self._schedule.others_first(running, self.progress) and not self._surroundings.trouble(waiting=True)

    def _refused(self, refusal: RefusedError) -> Job:
        """A job that the machine refused waits again, unless the machine is well and the job always is refused."""
        job = refusal.job
        reason = self._surroundings.blame(job, refusal.errno, str(refusal))
        if reason:
            # `job` is queued again already, and that may fail.
            return job.fail(time.time(), reason)
        log.error("job %s: it waits again, since the machine is in trouble: %s", job.id, refusal)
        return job

    def _end(self, job: Job) -> bool:
        """Carry out the end that is next, that of `job`; False if it is refused."""
        with self._wake:
            # So that it shows as the running one, and a cancel finds it.
            if job.id not in self._running and (self._crowd is not None or not len(self._running)):
                self._running.started(job)
        try:
            ended = self._ends.carry_out(lambda job_id: job_id in self._cancelled)
        except EndRefusedError as refusal:
            if self._surroundings.all_well():
                self._let_wait(job)
            else:
                self._pause(str(refusal))
            return False
        if ended.finished:
            self._let_go(ended)
            self._surroundings.forget(ended)
            self._ends.settle(ended)
        elif not self._queue_again(ended):
            self._ends.begin(ended)
        return True

    def _queue_again(self, job: Job) -> bool:
        """False if it was cancelled after that could be seen at its end: it has to be ended once more."""
        with self._wake:
            # Under the lock, so that a cancel finds it running or waiting, never in neither.
            if job.id in self._cancelled:
                return False
            self._queue.put(job)
            self._let_go(job)
            return True

    def _let_wait(self, job: Job) -> None:
        with self._wake:
            self._running.drop(job.id)
        self._pause("")

    def _let_go(self, job: Job) -> None:
        with self._wake:
            self._cancelled.discard(job.id)
            self._between.used()
            self._running.drop(job.id)

    def _pause(self, reason: str) -> None:
        if reason and reason != self.paused:
            log.error("no job is started: %s", reason)
        elif self.paused and not reason:
            log.info("jobs are started again")
        self.paused = reason

    def _started(self, job: Job) -> None:
        # The record that waited says neither that it runs nor since when.
        with self._wake:
            self._running.started(job)

    def _progressed(self, progress: Progress) -> None:
        self.heartbeat = time.monotonic()
        job = self._running.progressed(progress)
        if job is not None:
            self.on_progress(job, progress)

    def _alive(self) -> bool:
        # The engine asks for cancellation between its smallest steps: as good a pulse as there is.
        self.heartbeat = time.monotonic()
        return True
