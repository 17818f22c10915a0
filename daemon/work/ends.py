"""The ends of jobs, one after another: each is carried out, and tried again as long as the machine refuses it."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from daemon.errors import StoreError
from daemon.jobs.job import Job, State
from daemon.outside.events import EventHub
from daemon.work.ending import Step
from daemon.work.surroundings import Surroundings

log = logging.getLogger(__name__)


class EndRefusedError(Exception):
    """The end of a job cannot be carried out now; the message says why, for those who ask about the service."""


class Ends:
    """Jobs that the engine is done with, and jobs that have ended and whose source is still to be dealt with.

    Args:
        make: what is left to do for a job, given its record as it is to be.
        after: settles the source of a job that has ended, and archives it.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        hub: EventHub,
        make: Callable[[Job], Step],
        after: Callable[[Job], None],
    ) -> None:
        self._surroundings = surroundings
        self._hub = hub
        self._make = make
        self._after = after
        self._steps: deque[Step] = deque()
        self._refused: dict[str, str] = {}
        self._unsettled: deque[Job] = deque()
        self._reason = ""

    @property
    def problems(self) -> list[str]:
        """What cannot be put away; nothing if all is. For any thread."""
        left = len(self._unsettled)
        told = [f"{left} finished tasks cannot be put away yet: {self._reason}"] if left else []
        return list(dict.fromkeys(list(self._refused.values()))) + told

    @property
    def first(self) -> Step | None:
        """The one to carry out next."""
        return self._steps[0] if self._steps else None

    def holds(self, job_id: str) -> bool:
        """Whether the end of this job is still to be carried out. For any thread."""
        return any(step.job.id == job_id for step in list(self._steps))

    def leave(self, step: Step) -> None:
        """Carry this out later, in its turn."""
        self._steps.append(step)

    def begin(self, job: Job) -> None:
        """The engine is done with a job, whose record is to be as it is given."""
        # Before those that were refused: they may have to wait for long.
        self._steps.appendleft(self._make(job))

    def carry_out(self, cancelled: Callable[[str], bool]) -> Job:
        """Carry out the first one; answers the job's record at the end of it.

        Raises:
            EndRefusedError: not now; it comes after the others, if there are any.
        """
        job_id = self._steps[0].job.id
        try:
            job = self._carry_out(cancelled)
        except EndRefusedError as refusal:
            self._refused[job_id] = str(refusal)
            self._steps.rotate(-1)
            raise
        self._refused.pop(job_id, None)
        return job

    def _carry_out(self, cancelled: Callable[[str], bool]) -> Job:
        step = self._steps[0]
        job_id = step.job.id
        missing = self._surroundings.outputs_missing()
        if missing and not cancelled(job_id):
            # Its result is on that disk, or is to go there, and must not be looked for or put elsewhere.
            raise EndRefusedError(missing)
        try:
            job = step.advance(lambda: cancelled(job_id))
        except OSError as error:
            name = error.filename or "the state folder"
            what = f"a finished task cannot be recorded or put in its place ({name})"
            raise EndRefusedError(f"{what}: {error.strerror or error}") from error
        except StoreError as error:
            raise EndRefusedError(str(error)) from error
        except Exception:
            # Whatever nobody foresaw in the end of one job, the others are not to wait for it.
            log.exception("job %s: its end cannot be carried out", job_id)
            return self._given_up(self._steps.popleft().job, cancelled)
        self._steps.popleft()
        _log_end(job)
        self._hub.publish(job)
        return job

    def settle(self, job: Job) -> bool:
        """Settle a job that has ended: at once, or (False) later if the disk refuses. For any thread."""
        try:
            self._after(job)
        except OSError as error:
            reason = error.strerror or str(error)
            if reason != self._reason:
                log.error("job %s: its source is settled later: %s", job.id, error)
            self._reason = reason
            self._unsettled.append(job)
            return False
        except Exception:
            # The job has ended and is on record; what is left of it is settled by the next start.
            log.exception("job %s: its source cannot be settled", job.id)
        return True

    def settle_left(self, beat: Callable[[], object]) -> None:
        """Settle what was refused before, until one is refused again; `beat` is called after each."""
        while self._unsettled and self.settle(self._unsettled.popleft()):
            self._reason = ""
            beat()

    def _given_up(self, job: Job, cancelled: Callable[[str], bool]) -> Job:
        """Fail a job whose end cannot be carried out; if that is what cannot be, the next start takes it up again."""
        if job.finished:
            return job
        self._steps.appendleft(
            self._make(job.fail(time.time(), "Its end could not be carried out; the log says more."))
        )
        return self._carry_out(cancelled)


def _log_end(job: Job) -> None:
    if job.state is State.COMPLETED and job.result is not None:
        seconds, model = job.result.seconds, job.result.model
        log.info("job %s: completed in %.1f s with %s: %s", job.id, seconds, model, job.result.path)
    elif job.state is State.FAILED:
        log.error("job %s: failed: %s", job.id, job.error)
    elif job.state is State.CANCELLED:
        log.info("job %s: cancelled", job.id)
    else:
        log.info("job %s: interrupted, runs again", job.id)
