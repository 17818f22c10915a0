"""What becomes of a source when its job has ended: to `_done` or `_failed`, stays, or is deleted."""

from __future__ import annotations

import logging
from pathlib import Path

from daemon.inbox.scan import DONE, ERROR_SUFFIX, FAILED, fingerprint, same_content
from daemon.inbox.sidecar import sidecars_of
from daemon.jobs.job import Job, State
from daemon.store.files import cut, move_aside, write_durably
from daemon.store.job_store import JobStore

log = logging.getLogger(__name__)


class Aftermath:
    """Settles the source of each ended job, then moves its record to the history. May be called twice for a job."""

    def __init__(self, store: JobStore, inbox: Path, policy: str) -> None:
        self._store = store
        self._inbox = inbox
        self._policy = policy

    def __call__(self, job: Job) -> None:
        """Settle the source of `job` and archive the job."""
        if job.draft.origin == "inbox":
            job = self._settle(job)
        self._store.archive(job)

    def refuse(self, source: Path, folder: str, reason: str) -> Path | None:
        """Take a file that never became a job out of the way; answers where it is now."""
        try:
            return self._to_failed(source, folder, reason)
        except OSError as error:
            log.warning("inbox: %s could not be moved to %s: %s", source.name, FAILED, error.strerror)
            return None

    def _settle(self, job: Job) -> Job:
        source = Path(job.draft.source)
        try:
            status = source.lstat()
        except OSError:
            return job
        if job.draft.fingerprint and not same_content(fingerprint(status), job.draft.fingerprint):
            log.warning("inbox: %s was replaced while it was worked on; the new one is a new job", source.name)
            return job
        try:
            return self._apply(job, source)
        except OSError as error:
            log.warning("inbox: %s stays where it is: %s", source.name, error.strerror)
            # Whatever the folder allows, the same file must not be taken again and again.
            self._store.mark_seen(str(source), fingerprint(status), job.id)
            return job

    def _apply(self, job: Job, source: Path) -> Job:
        completed = job.state is State.COMPLETED
        if self._policy == "keep":
            self._store.mark_seen(str(source), fingerprint(source.lstat()), job.id)
            if completed:
                error_file(source).unlink(missing_ok=True)
            else:
                write_reason(source, job.error)
            return job
        if completed and self._policy == "delete":
            for file in (*sidecars_of(source), source):
                file.unlink(missing_ok=True)
            return job
        if completed:
            moved = self._move(source, DONE, job.draft.folder)
        else:
            moved = self._to_failed(source, job.draft.folder, job.error)
        return job.with_source(str(moved))

    def _to_failed(self, source: Path, folder: str, reason: str) -> Path:
        moved = self._move(source, FAILED, folder)
        write_reason(moved, reason)
        return moved

    def _move(self, source: Path, shelf: str, folder: str) -> Path:
        beside = sidecars_of(source)
        error_file(source).unlink(missing_ok=True)
        moved = move_aside(source, self._inbox / shelf / folder)
        for file in beside:
            # Named after the source's new name, so that moving both back is a valid retry.
            move_aside(file, moved.parent, moved.name + file.suffix)
        return moved


def error_file(source: Path) -> Path:
    """Where the reason of a failure is written."""
    return source.with_name(cut(source.name, ERROR_SUFFIX))


def write_reason(source: Path, reason: str) -> None:
    """Put a readable reason beside a file; rewriting the same one changes nothing."""
    file, text = error_file(source), (reason.strip() + "\n").encode("utf-8", "replace")
    if file.is_symlink() or not file.is_file() or file.read_bytes() != text:
        write_durably(file, text)
