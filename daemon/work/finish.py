"""What becomes of a job that the engine is done with: its end is carried out, or it waits again."""

from __future__ import annotations

import logging
import time

from daemon.jobs.job import Job
from daemon.jobs.queue import JobQueue
from daemon.work.between import Between
from daemon.work.board import Board
from daemon.work.crowd import CrowdSchedule, Ended
from daemon.work.ends import EndRefusedError, Ends
from daemon.work.runner import RefusedError
from daemon.work.schedule import Schedule
from daemon.work.surroundings import Surroundings

log = logging.getLogger(__name__)


class Finish:
    """Used by the worker's thread.

    Args:
        several: whether several jobs run at a time.
    """

    def __init__(
        self,
        board: Board,
        queue: JobQueue,
        schedule: Schedule | CrowdSchedule,
        surroundings: Surroundings,
        ends: Ends,
        between: Between,
        *,
        several: bool,
    ) -> None:
        self._board = board
        self._queue = queue
        self._schedule = schedule
        self._surroundings = surroundings
        self._ends = ends
        self._between = between
        self._several = several

    def ran(self, job: Job, ended: Ended) -> None:
        """A job was run, or could not be."""
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

    def go_on(self) -> bool:
        """Carry out the end that was refused before and is next; False if there is none, or if it is refused again."""
        return self._ends.first is not None and self._end(self._ends.first.job)

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
        running = self._board.running
        with self._board.lock:
            # So that it shows as the running one, and a cancel finds it.
            if job.id not in running and (self._several or not len(running)):
                running.started(job)
        try:
            ended = self._ends.carry_out(lambda job_id: job_id in self._board.cancelled)
        except EndRefusedError as refusal:
            if self._surroundings.all_well():
                self._let_wait(job)
            else:
                self._board.pause(str(refusal))
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
        with self._board.lock:
            # Under the lock, so that a cancel finds it running or waiting, never in neither.
            if job.id in self._board.cancelled:
                return False
            self._queue.put(job)
            self._let_go(job)
            return True

    def _let_wait(self, job: Job) -> None:
        with self._board.lock:
            self._board.running.drop(job.id)
        self._board.pause("")

    def _let_go(self, job: Job) -> None:
        with self._board.lock:
            self._board.cancelled.discard(job.id)
            self._between.used()
            self._board.running.drop(job.id)
