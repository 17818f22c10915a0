"""The worker's thread: it runs jobs and carries out their ends, one thing after another, and shows that it is alive."""

from __future__ import annotations

import logging

from daemon.jobs.job import Job, Progress
from daemon.work.between import Between
from daemon.work.board import TICK_S, Board
from daemon.work.crowd import Crowd, CrowdSchedule, Ended, Single
from daemon.work.finish import Finish
from daemon.work.means import Means
from daemon.work.orders import Abandoned, Orders
from daemon.work.schedule import Schedule

log = logging.getLogger(__name__)


class Loop:
    """What others are to know of it stands on the board."""

    def __init__(self, board: Board, between: Between, means: Means) -> None:
        self._board = board
        self._between = between
        self._runner = means.runner
        self._executor = means.executor
        self._queue = means.queue
        self._surroundings = means.surroundings
        self._ends = means.ends
        self._models = means.models
        self._estimates = means.estimates
        self._hold = means.hold
        self._on_progress = means.on_progress
        self._lane: Single | Crowd = Crowd(board.notify) if means.capacity else Single()
        self._schedule: Schedule | CrowdSchedule = (
            CrowdSchedule(means.queue, means.estimates, self._ready, means.capacity, board.running)
            if means.capacity
            else Schedule(means.queue, means.estimates, self._ready)
        )
        self._finish = Finish(
            board, means.queue, self._schedule, means.surroundings, means.ends, between, several=self._lane.several
        )
        self._abandoned = Abandoned()

    def main(self) -> None:
        """Work until the board says to stop, and see the running jobs out."""
        try:
            self._prepare()
            while not self._board.stopping.is_set():
                self._board.look()
                if not self._step():
                    # What was refused is tried again at the next tick, not at once.
                    self._board.rest(lambda: bool(self._between))
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

    def _see_out(self) -> None:
        """The jobs that still run were told to stop: what they are to be is recorded."""
        while self._lane.busy:
            with self._board.lock:
                if not self._lane.ended:
                    self._board.lock.wait(TICK_S)
            self._next_ended()

    def _next_ended(self) -> bool:
        ended = self._lane.next_ended()
        if ended is None:
            return False
        self._finish.ran(*ended)
        # Where several run, others are at work there.
        if self._runner.engine.lacked_memory() and not self._lane.several:
            self._between.give_back()
        return True

    def _step(self) -> bool:
        """Do one thing; False if there was nothing to do."""
        if self._next_ended():
            return True
        if self._between.do_next():
            return True
        self._ends.settle_left(self._board.beat)
        if self._ends.first is not None:
            if self._finish.go_on():
                return True
            # Where only one folder of the results is in trouble, others need not wait.
            if self._board.paused:
                return False
        self._look_around()
        return self._begin_next()

    def _look_around(self) -> None:
        trouble = self._surroundings.trouble(waiting=len(self._queue) > 0)
        self._board.pause(trouble or self._runner.engine.pause())
        self._surroundings.look(self._queue.waiting)
        self._models.look(self._queue.waiting)
        self._estimates.default = self._models.default

    def _begin_next(self) -> bool:
        with self._board.lock:
            # Under the lock, so that a cancel finds the job in the queue or here, never in neither.
            job = None if self._board.paused or self._hold.by else self._schedule.take()
            if job is not None:
                self._board.running.begin(job, Progress.of(job))
        if job is None:
            if not len(self._board.running):
                self._between.unload_when_idle()
            return False
        self._lane.begin(job, self._run)
        return True

    def _ready(self, job: Job) -> bool:
        return self._surroundings.ready(job) and self._runner.engine.ready(job) and self._models.ready(job)

    # -- in the thread of a job, which is this one where one runs at a time ---------------------------------

    def _run(self, job: Job) -> Ended:
        try:
            return self._runner.run(
                job,
                on_start=self._started,
                on_progress=self._progressed,
                orders=self._orders(job),
            )
        except Exception as error:
            return error

    def _orders(self, job: Job) -> Orders:
        return Orders(
            job,
            cancelled=lambda: self._cancelled(job),
            stopping=self._board.stopping.is_set,
            # Who runs several jobs has its own thread for what is urgent.
            urgent_s=lambda: None if self._lane.several else self._between.urgent_s,
            others=lambda: self._others_first(job),
            at_once=lambda: self._hold.at_once,
            progress=lambda: self._board.running.progress(job.id),
            abandoned=self._abandoned,
            expected_s=self._schedule.expected_s(job),
        )

    def _cancelled(self, job: Job) -> bool:
        # The engine asks between its smallest steps: as good a pulse as there is.
        self._board.beat()
        return job.id in self._board.cancelled

    def _others_first(self, job: Job) -> bool:
        if self._hold.by or (self._lane.several and self._board.paused):
            return True
        first = self._board.running.first
        running, progress = first if first else (job, None)
        # Where no other one could begin, the running one goes on.
        return self._schedule.others_first(running, progress) and not self._surroundings.trouble(waiting=True)

    def _started(self, job: Job) -> None:
        # The record that waited says neither that it runs nor since when.
        with self._board.lock:
            self._board.running.started(job)

    def _progressed(self, progress: Progress) -> None:
        self._board.beat()
        job = self._board.running.progressed(progress)
        if job is not None:
            self._on_progress(job, progress)
