"""Files that the inbox refused or passed over, as failed or cancelled tasks: on record, told, and tried again."""

from __future__ import annotations

import mimetypes
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from daemon.engine.executor import Executor
from daemon.errors import RequestError, SidecarError
from daemon.inbox.names import FAILED
from daemon.inbox.scan import Found
from daemon.inbox.sidecar import request_for
from daemon.jobs.drafts import digest, make_draft
from daemon.jobs.job import Draft, Job, Media, State
from daemon.jobs.parameters import JobRequest
from daemon.outside.events import EventHub
from daemon.settings.config import Config
from daemon.store.job_store import JobStore
from daemon.store.safe_open import DESK, SwappedError, fingerprint, held
from daemon.work.naming import result_suffix, wrong_format

# More of them than that and the oldest may be told once more after a restart.
_MOST_REMEMBERED = 10_000


class Refusals:
    """Makes one failed task of each file that was looked at and refused.

    Args:
        settle: deals with the source of a job that has ended, and archives it.
    """

    def __init__(
        self, config: Config, store: JobStore, executor: Executor, hub: EventHub, settle: Callable[[Job], None]
    ) -> None:
        self._config = config
        self._store = store
        self._executor = executor
        self._hub = hub
        self._settle = settle
        self._lock = threading.Lock()
        self._known: dict[str, Job] | None = None

    def put_aside(self, found: Found, reason: str) -> None:
        """A file will never do. Its task is on record first: a crash in between is followed by another try to move it.

        Raises:
            OSError: it cannot be recorded, so it stays where it is.
        """
        job = self._store.add(self._draft(found), error=reason)
        self._hub.publish(job)
        self._settle(job)

    def leave(self, found: Found, reason: str) -> None:
        """A file is no good until somebody changes it or what lies beside it; it stays where it is.

        Raises:
            OSError: it cannot be recorded.
        """
        with self._lock:
            if self._known is None:
                # Files that stay are looked at again after each start, but are refused only once.
                jobs = self._store.history(_MOST_REMEMBERED, (State.FAILED,))
                self._known = {job.draft.source: job for job in reversed(jobs) if job.draft.refused}
            known = self._known.get(str(found.path))
            if known and (known.error, known.draft.fingerprint) == (reason, found.fingerprint):
                return
            job = self._store.add(self._draft(found), error=reason, settled=True)
            self._known[str(found.path)] = job
        self._hub.publish(job)
        self._store.archive(job)

    def pass_over(self, draft: Draft, reason: str, moved: Path | None) -> None:
        """A file has its result already: a cancelled task says so, and a retry makes it all the same.

        Args:
            moved: where the file is now, if not where it was found.

        Raises:
            OSError: it cannot be recorded.
        """
        if moved is not None:
            draft = replace(draft, source=str(moved))
        job = self._store.add(draft, error=reason, settled=True, cancelled=True)
        self._hub.publish(job)
        self._store.archive(job)

    def look_again(self, job: Job) -> Draft:
        """What a retry runs: the file of a refusal as it is now, wherever it lies.

        Raises:
            RequestError: it is not there any more (409), or a task already.
            SeedVR2Error, ServiceError: it is still no good; the message says why.
        """
        path, root = Path(job.draft.source), self._config.paths.inbox
        if any(other.draft.source == job.draft.source and not other.finished for other in self._store.open_jobs()):
            raise RequestError(409, "The file of this task is in the queue already.")
        try:
            known = fingerprint(os.lstat(path))
            with held(root, path, known, self._config.paths.state / DESK) as source:
                media, sha256 = self._executor.probe(source.path), digest(source.path)
        except (FileNotFoundError, SwappedError):
            raise RequestError(409, "The file of this task is gone. Drop it into the inbox again.") from None
        request = request_for(root, path, job.draft.folder, self._config.presets, self._config.defaults)
        if result_suffix(media, request.options) is None:
            raise SidecarError(wrong_format(media, request.options.output_format))
        if request.model:
            self._executor.resolve(request.model)
        # What was put aside stays there, whatever comes of it; what waits in its place is dealt with as any other.
        aside = path.is_relative_to(root / FAILED)
        return make_draft(
            request,
            media,
            origin="api" if aside else "inbox",
            source=path,
            original_filename=path.name,
            sha256=sha256,
            size=known[1],
            folder=job.draft.folder,
            fingerprint=() if aside else known,
            retry_of=job.id,
        )

    def _draft(self, found: Found) -> Draft:
        """What is known of a file that cannot be looked into: no size of its pictures, and no hash."""
        config = self._config
        try:
            request = request_for(config.paths.inbox, found.path, found.folder, config.presets, config.defaults)
        except (SidecarError, OSError):
            request = JobRequest.parse(config.defaults)
        is_video = (mimetypes.guess_type(found.path.name)[0] or "").startswith("video/")
        return make_draft(
            request,
            Media("video" if is_video else "picture", 0, 0, 0),
            origin="inbox",
            source=found.path,
            original_filename=found.path.name,
            sha256="",
            size=found.size,
            folder=found.folder,
            fingerprint=found.fingerprint,
        )
