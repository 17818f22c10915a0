"""The one GPU worker thread: runs jobs, switches and unloads models, and shows that it is alive.

Nobody waits for it but those who ask for a model: everything else reads plain attributes that it replaces whole.
"""

from __future__ import annotations

import enum
import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from daemon.engine.executor import Executor
from daemon.errors import RequestError
from daemon.jobs.job import Job, Progress, State
from daemon.jobs.queue import JobQueue
from daemon.work.runner import JobRunner

log = logging.getLogger(__name__)
# How often an idle worker looks around without being woken.
TICK_S = 1.0
PAUSE_S = 5.0


class Activity(enum.StrEnum):
    """What the worker is doing."""

    IDLE = "idle"
    LOADING = "loading"
    PROCESSING = "processing"
    DEAD = "dead"


class Worker:
    """Owns the executor: no other thread may call it, except for `probe` and `model`.

    Args:
        after: called in the worker's thread with each job that has ended; settles the source and archives it.
        idle_timeout_s: seconds without work until the model is unloaded; 0 never.
        min_free_bytes: no job is started while the disk of `outputs` has less.
    """

    def __init__(
        self,
        runner: JobRunner,
        executor: Executor,
        queue: JobQueue,
        outputs: Path,
        after: Callable[[Job], None],
        *,
        idle_timeout_s: float,
        min_free_bytes: int = 0,
    ) -> None:
        self._runner = runner
        self._executor = executor
        self._queue = queue
        self._outputs = outputs
        self._after = after
        self._idle_timeout_s = idle_timeout_s
        self._min_free_bytes = min_free_bytes
        self._wake = threading.Condition()
        self._stop = threading.Event()
        self._cancelled: set[str] = set()
        self._switches: deque[tuple[str, Future[str]]] = deque()
        self._offload = False
        self._unsettled: deque[Job] = deque()
        self._thread = threading.Thread(target=self._main, name="worker", daemon=True)
        self.current: Job | None = None
        self.progress: Progress | None = None
        self.loading_model: str | None = None
        self.paused = ""
        self.heartbeat = time.monotonic()
        self.last_used = time.monotonic()
        self.on_progress: Callable[[Job, Progress], None] = lambda _job, _progress: None

    # -- for other threads --------------------------------------------------------------------------------

    @property
    def activity(self) -> Activity:
        """What it is doing; `DEAD` once its thread has ended without being asked to."""
        if not self._thread.is_alive():
            return Activity.DEAD
        if self.loading_model is not None:
            return Activity.LOADING
        return Activity.PROCESSING if self.current else Activity.IDLE

    @property
    def model_idle_s(self) -> float | None:
        """Seconds since the loaded model was last used; None while it is in use or none is loaded."""
        if self.current is not None or self._executor.model is None:
            return None
        return time.monotonic() - self.last_used

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
            self._wake.notify_all()

    def cancel(self, job_id: str) -> bool:
        """Stop this job if it is the running one; it ends soon after."""
        with self._wake:
            if self.current is None or self.current.id != job_id:
                return False
            self._cancelled.add(job_id)
            return True

    def switch(self, model: str) -> Future[str]:
        """Load `model` when the running job has ended; the future holds its file name, or the error."""
        future: Future[str] = Future()
        with self._wake:
            if self.activity is Activity.DEAD:
                future.set_exception(_stopped())
                return future
            self._switches.append((model, future))
            self._wake.notify_all()
        return future

    def settle(self, job: Job) -> None:
        """Settle a job that has ended: at once, or later if the disk refuses. For any thread."""
        try:
            self._after(job)
        except OSError as error:
            log.error("job %s: its source is settled later: %s", job.id, error)
            self._unsettled.append(job)

    def offload(self) -> bool:
        """Unload the model; True if that has to wait for the running job."""
        with self._wake:
            self._offload = True
            self._wake.notify_all()
        return self.current is not None

    # -- in the worker's thread ---------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            self._prepare()
            while not self._stop.is_set():
                self.heartbeat = time.monotonic()
                if not self._step():
                    with self._wake:
                        if not self._has_work():
                            self._wake.wait(PAUSE_S if self.paused else TICK_S)
            self._executor.unload()
        except Exception:
            # /health turns to 503 and the watchdog is let go: systemd starts the service again.
            log.critical("the worker thread has died", exc_info=True)
            raise
        finally:
            with self._wake:
                self._refuse_switches()

    def _prepare(self) -> None:
        try:
            self._executor.prepare()
        except Exception:
            # Each job will fail with the same error and say so; the API has to stay up to tell.
            log.exception("the engine cannot be prepared")

    def _has_work(self) -> bool:
        return bool(self._stop.is_set() or self._offload or self._switches or (len(self._queue) and not self.paused))

    def _step(self) -> bool:
        """Do one thing; False if there was nothing to do."""
        if self._offload:
            self._offload = False
            self._unload("on request")
            return True
        if self._switches:
            self._load(*self._switches.popleft())
            return True
        self.paused = self._reason_to_pause()
        with self._wake:
            # Under the lock, so that a cancel finds the job in the queue or here, never in neither.
            job = None if self.paused else self._queue.take_next()
            self.current, self.progress = job, Progress(job.id) if job else None
        for _ in range(len(self._unsettled)):
            self.settle(self._unsettled.popleft())
        if job is None:
            self._unload_when_idle()
            return False
        self._process(job)
        return True

    def _process(self, job: Job) -> None:
        try:
            job = self._runner.run(
                job,
                on_start=self._started,
                on_progress=self._progressed,
                cancelled=lambda: self._alive() and job.id in self._cancelled,
                stopping=self._stop.is_set,
            )
        except OSError as error:
            log.error("job %s: its record cannot be written: %s", job.id, error)
            self.paused = "the state folder cannot be written"
            if not self._stop.is_set():
                self._queue.put(job)
                self._stop.wait(PAUSE_S)
            return
        finally:
            with self._wake:
                self._cancelled.discard(job.id)
                self.last_used = time.monotonic()
                self.current = self.progress = None
        if job.finished:
            self.settle(job)
        elif job.state is State.QUEUED:
            self._queue.put(job)

    def _started(self, job: Job) -> None:
        # The record that waited says neither that it runs nor since when.
        with self._wake:
            self.current = job

    def _progressed(self, progress: Progress) -> None:
        self.heartbeat = time.monotonic()
        self.progress = progress
        if self.current is not None:
            self.on_progress(self.current, progress)

    def _alive(self) -> bool:
        # The engine asks for cancellation between its smallest steps: as good a pulse as there is.
        self.heartbeat = time.monotonic()
        return True

    def _load(self, model: str, future: Future[str]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        self.loading_model = model
        try:
            self._executor.load(model)
        except Exception as error:
            # The boundary to the one who asked: the future carries it over.
            log.exception("the model %s could not be loaded", model)
            future.set_exception(error)
        else:
            log.info("model %s loaded", self._executor.model)
            future.set_result(self._executor.model or model)
        finally:
            self.loading_model = None
            self.last_used = time.monotonic()

    def _unload_when_idle(self) -> None:
        idle = self.model_idle_s
        if self._idle_timeout_s and idle is not None and idle >= self._idle_timeout_s:
            self._unload(f"after {idle:.0f} s without a job")

    def _unload(self, why: str) -> None:
        model = self._executor.model
        self._executor.unload()
        if model is not None:
            log.info("model %s unloaded %s", model, why)

    def _reason_to_pause(self) -> str:
        try:
            free = shutil.disk_usage(self._outputs).free
        except OSError as error:
            reason = f"the outputs folder cannot be used: {error.strerror}"
        else:
            reason = "the disk of the outputs is full" if free < self._min_free_bytes else ""
        if reason and reason != self.paused:
            log.error("no job is started: %s", reason)
        return reason

    def _refuse_switches(self) -> None:
        while self._switches:
            _, future = self._switches.popleft()
            if future.set_running_or_notify_cancel():
                future.set_exception(_stopped())


def _stopped() -> RequestError:
    return RequestError(503, "The worker has stopped, so no model can be loaded.")
