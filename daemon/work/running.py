"""The jobs that run, in the order in which they began: one, or several where there are many places."""

from __future__ import annotations

from daemon.jobs.job import Job, Progress


class RunningJobs:
    """Changed under the lock of the board, read by any thread."""

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[Job, Progress | None]] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._jobs

    @property
    def all(self) -> list[tuple[Job, Progress | None]]:
        """Each with how far it is."""
        return list(self._jobs.values())

    @property
    def first(self) -> tuple[Job, Progress | None] | None:
        """The one that began first; None: there is none."""
        return next(iter(self.all), None)

    def progress(self, job_id: str) -> Progress | None:
        """How far a job is; None if it does not run, or if that is not known."""
        return self._jobs.get(job_id, (None, None))[1]

    def begin(self, job: Job, progress: Progress | None) -> None:
        """A job begins."""
        self._jobs[job.id] = job, progress

    def started(self, job: Job) -> None:
        """Its record has changed; or it is one whose end is still to come."""
        self._jobs[job.id] = job, self.progress(job.id)

    def progressed(self, progress: Progress) -> Job | None:
        """How far a job is now; answers its record, if it runs."""
        job = self._jobs.get(progress.job_id, (None, None))[0]
        if job is not None:
            self._jobs[job.id] = job, progress
        return job

    def drop(self, job_id: str) -> None:
        """A job does not run any more."""
        self._jobs.pop(job_id, None)
