"""Everything that can be done to jobs: submit, cancel, delete, retry. The API and the inbox both go through here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from daemon.errors import RequestError
from daemon.jobs.job import Draft, Job, Progress, State
from daemon.jobs.queue import JobQueue
from daemon.outside.events import EventHub
from daemon.store.files import is_gone
from daemon.store.job_store import JobStore
from daemon.store.uploads import is_upload
from daemon.store.uploads import remove as remove_upload
from daemon.work.estimates import Estimates
from daemon.work.publish import description_path, identity
from daemon.work.schedule import goes_before
from daemon.work.work_folder import WorkFolder
from daemon.work.worker import Worker

log = logging.getLogger(__name__)


class Operations:
    """The verbs of the service. Thread-safe; none waits for the worker.

    Args:
        uploads: the folders in which files that were sent can be: the present one, and those of other settings.
        look_again: the draft of a file that was refused before anything was known of it, as it is now.
    """

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        worker: Worker,
        estimates: Estimates,
        hub: EventHub,
        *,
        work: WorkFolder,
        uploads: Sequence[Path],
        max_waiting: int,
        look_again: Callable[[Job], Draft],
    ) -> None:
        self._store = store
        self._queue = queue
        self._worker = worker
        self._estimates = estimates
        self._hub = hub
        self._work = work
        self._uploads = tuple(uploads)
        self._max_waiting = max_waiting
        self._look_again = look_again

    @property
    def kept_bytes(self) -> int:
        """What is kept of failed jobs on the disk of the results, so that a retry can go on with it."""
        return self._work.kept_bytes

    def submit(self, draft: Draft, place: Callable[[], object] = lambda: None) -> Job:
        """Store and queue a job. When this returns, it survives anything.

        Args:
            place: gives the source the name that the draft says, once the job is stored: a crash in between leaves a
                job whose source can be found, not a source that nobody knows.

        Raises:
            RequestError: the queue is full. OSError: the disk refuses; then there is no job.
        """
        self.check_room()
        job = self._store.add(draft)
        try:
            place()
        except BaseException:
            self._store.withdraw(job)
            raise
        # Before the worker can have it: nobody must hear that it waits after hearing that it runs.
        self._hub.publish(job)
        self._queue.put(job)
        self._worker.notify()
        log.info("job %s: queued from %s, %s", job.id, draft.origin, draft.original_filename)
        return job

    def check_room(self) -> None:
        """Raises RequestError if no further job may wait."""
        if len(self._queue) >= self._max_waiting:
            raise RequestError(503, "The queue is full. Try again later.", headers={"Retry-After": "60"})

    def find(self, job_id: str) -> Job:
        """The job with this id. Raises RequestError (404)."""
        job = self._store.get(job_id)
        if job is None:
            raise RequestError(404, f"There is no task {job_id[:64]!r}.")
        return job

    def wait_s(self, job: Job) -> float:
        """Seconds until this waiting job will probably begin; 0 for any other."""
        if not self._queue.position(job.id):
            return 0.0
        seconds, estimate = self._estimates.seconds(job), self._estimates.seconds
        before = self._queue.waiting(before=job.id)
        running_s, current, progress = self.running_s(), self._worker.current, self._worker.progress
        border_s = progress.border_s if progress is not None else None
        if current is not None and border_s is not None and goes_before(job, seconds, current, running_s):
            running_s = border_s
        ahead = (estimate(each) for each in before if not goes_before(job, seconds, each, estimate(each)))
        return running_s + sum(ahead) / self._worker.lanes

    def total_s(self, waiting: Sequence[Job]) -> float:
        """Seconds until those that wait, and those that run, will probably be done."""
        return self.running_s() + self._estimates.total(waiting) / self._worker.lanes

    def running_s(self) -> float:
        """Seconds that what runs will probably still take."""
        left = [self.left_s(job, progress) for job, progress in self._worker.running]
        # Each is timed as it runs, at many places or at one, beside the others.
        return max(left, default=0.0)

    def left_s(self, current: Job, progress: Progress | None) -> float:
        """Seconds that a running job will probably still take."""
        if progress is not None and progress.eta_s is not None:
            return progress.eta_s
        elapsed = max(time.time() - (current.started_at or time.time()), 0.0)
        return max(self._estimates.seconds(current) - elapsed, 0.0)

    def cancel(self, job_id: str, reason: str = "Cancelled on request.") -> Job:
        """Cancel a waiting job, or tell the running one to stop. Raises RequestError (404, 409)."""
        job = self._queue.take(job_id)
        if job is None and self._worker.cancel(job_id):
            return self.find(job_id)
        # It may have let others go first meanwhile.
        job = job or self._queue.take(job_id)
        if job is None:
            job = self.find(job_id)
            raise RequestError(409, f"Task {job_id} is {job.state}; only a waiting or running one can be cancelled.")
        try:
            job = self._store.save(job.cancel(time.time(), reason))
        except OSError:
            self._queue.put(job)
            raise
        self._work.forget(job.id)
        self._hub.publish(job)
        log.info("job %s: cancelled while it waited", job.id)
        self._worker.settle(job)
        return job

    def delete(self, job_id: str) -> None:
        """Delete a finished job, its result or what is done of it, and its upload. Raises RequestError (404, 409)."""
        job = self.find(job_id)
        if not job.finished:
            raise RequestError(409, f"Task {job_id} is {job.state}. Cancel it first.")
        self.remove_result(job)
        self.remove_segments(job)
        self.remove_upload(job)
        self._store.forget(job_id)
        log.info("job %s: deleted", job_id)

    def retry(self, job_id: str) -> Job:
        """A new job for the source of one that failed or was cancelled.

        Raises:
            RequestError: there is none (404), or it is not possible (409).
            SeedVR2Error, ServiceError: a file that the inbox refused is still no good.
        """
        job = self.find(job_id)
        if job.state not in (State.FAILED, State.CANCELLED):
            raise RequestError(409, f"Task {job_id} is {job.state}; only a failed or cancelled one can be retried.")
        if job.draft.refused:
            return self.submit(self._look_again(job))
        if is_gone(Path(job.draft.source)):
            raise RequestError(409, "The source of this task is gone. Send it again.")
        # The source of an inbox job lies in _failed by now and stays there, whatever comes of the retry.
        return self.submit(replace(job.draft, origin="api", fingerprint=(), retry_of=job.id))

    def remove_result(self, job: Job) -> None:
        """Delete the result of a job and the description beside it, unless something else is in its place by now."""
        if job.kept:
            _remove(Path(job.kept))
        if job.result is None:
            return
        result = Path(job.result.path)
        if job.result.identity and identity(result) not in ((), tuple(job.result.identity)):
            log.warning("job %s: %s was changed since it was made, so it is kept", job.id, result)
            return
        _remove(result)

    def remove_segments(self, job: Job) -> None:
        """Delete what is done of a failed job, unless a retry is about to go on with it."""
        if job.state is State.FAILED and not any(other.draft.retry_of == job.id for other in self._store.open_jobs()):
            self._work.forget(job.id)

    def remove_upload(self, job: Job) -> None:
        """Delete the uploaded source of a job; the folders of the user are not touched."""
        source = Path(job.draft.source)
        # A retry works on the same file.
        in_use = any(other.draft.source == job.draft.source for other in self._store.open_jobs())
        if not in_use and is_upload(source, self._uploads) and source.parent.is_dir():
            remove_upload(source)
            # Nobody can go on with them without the source.
            self.remove_segments(job)


def _remove(result: Path) -> None:
    for file in (result, description_path(result)):
        if file.exists():
            log.info("removing %s", file)
            file.unlink(missing_ok=True)
