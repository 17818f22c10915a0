"""Finds the file of a task again that somebody renamed or moved within the inbox, alone or with a folder above it."""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from daemon.inbox.scan import Found, Scanner
from daemon.jobs.drafts import digest
from daemon.jobs.job import Job
from daemon.store.job_store import JobStore
from daemon.store.safe_open import DESK, SwappedError, fingerprint, held, same_content

log = logging.getLogger(__name__)
# While it looks, a file may go from a folder that comes later to one that it has seen.
_LOOKS = 2
# Who deletes thousands of waiting files must not have the whole inbox searched for each.
_REST = 20
_MOST_KNOWN = 10_000


class Moved:
    """Tells which file of the inbox is that of a task. For any thread.

    By its inode, size and time; where the inode is another one, as some network shares make it, by its content too.
    """

    def __init__(self, store: JobStore, inbox: Path, state: Path) -> None:
        self._store = store
        self._root = inbox
        self._desk = state / DESK
        self._scanner = Scanner(inbox, quiet=True)
        self._rest_until = 0.0
        # What was read once to tell, by path and version.
        self._digests: dict[tuple[Path, tuple[int, ...]], str] = {}

    def find(self, job: Job) -> Path | None:
        """Where the file of a task is now; None if it is where it was, or nowhere in the inbox."""
        if job.draft.origin != "inbox" or _is_in_place(job):
            return None
        if job.started_at is None and time.monotonic() < self._rest_until:
            return None
        began = time.monotonic()
        for _ in range(_LOOKS):
            found = self.pick(job, self._scanner.scan())
            if found is not None:
                log.info("job %s: its file is now %s", job.id, found.path.name)
                return found.path
        now = time.monotonic()
        self._rest_until = now + _REST * (now - began)
        return None

    def pick(self, job: Job, candidates: Iterable[Found]) -> Found | None:
        """The file of a task that is not where it was, among candidates."""
        alike = [found for found in candidates if _may_be(job, found)]
        if not alike:
            return None
        others = {Path(other.draft.source) for other in self._store.open_jobs() if other.id != job.id}
        return next((found for found in alike if found.path not in others and self._is_of(job, found)), None)

    def sources(self, jobs: Iterable[Job], present: dict[Path, Found]) -> set[Path]:
        """The files among those present that are the sources of these jobs, though their records say other places."""
        away: defaultdict[tuple[int, ...], list[Job]] = defaultdict(list)
        for job in jobs:
            here = present.get(Path(job.draft.source))
            if here is None or not _may_be(job, here):
                away[job.draft.fingerprint[1:]].append(job)
        if not away:
            return set()
        near = [found for found in present.values() if found.fingerprint[1:] in away]
        return {each.path for each in near if any(self._is_of(job, each) for job in away[each.fingerprint[1:]])}

    def _is_of(self, job: Job, found: Found) -> bool:
        return found.fingerprint == job.draft.fingerprint or self._digest(found) == job.draft.sha256

    def _digest(self, found: Found) -> str:
        key = (found.path, found.fingerprint)
        if key not in self._digests:
            try:
                with held(self._root, found.path, found.fingerprint, self._desk) as file:
                    content = digest(file.path)
            except (OSError, SwappedError):
                return ""
            if len(self._digests) >= _MOST_KNOWN:
                self._digests.clear()
            self._digests[key] = content
        return self._digests[key]


def _may_be(job: Job, found: Found) -> bool:
    return bool(job.draft.fingerprint) and same_content(found.fingerprint, job.draft.fingerprint)


def _is_in_place(job: Job) -> bool:
    try:
        return same_content(fingerprint(os.lstat(job.draft.source)), job.draft.fingerprint)
    except (OSError, ValueError):
        return False
