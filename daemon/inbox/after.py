"""What becomes of a source when it has been dealt with: to `_done` or `_failed`, stays, or is deleted.

Everything here may be done twice: a crash in the middle is followed by another try, which goes on where that one was.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path, PurePath

from daemon.inbox.beside import error_name, write_reason
from daemon.inbox.family import bring_after, following
from daemon.inbox.names import DONE, FAILED, NOTE_SUFFIX
from daemon.inbox.problems import Problems
from daemon.inbox.scan import Found
from daemon.inbox.sidecar import is_sidecar
from daemon.jobs.job import Job, State
from daemon.store.files import free_names
from daemon.store.job_store import JobStore
from daemon.store.safe_folder import SafeFolder, folder_below
from daemon.store.safe_open import below, fingerprint, same_content
from seedvr2.trouble import is_machine_trouble

log = logging.getLogger(__name__)


class Aftermath:
    """Settles the source of each ended job, then moves its record to the history. For any thread.

    Args:
        check: raises OSError while the disk of the inbox is not the one that it should be.
        moved: where the source of a job is that is not where it was, or None.
    """

    def __init__(
        self,
        store: JobStore,
        inbox: Path,
        policy: str,
        check: Callable[[], None] = lambda: None,
        moved: Callable[[Job], Path | None] = lambda _job: None,
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._policy = policy
        self._check = check
        self._moved = moved
        self.problems = Problems()

    def __call__(self, job: Job) -> None:
        """Settle the source of `job` and archive the job.

        Raises:
            OSError: the machine refuses at the moment; the job has to be settled later.
        """
        if job.draft.origin == "inbox" and not job.settled:
            job = self._settle(job)
        self._store.archive(job)

    def pass_duplicate(self, found: Found, reason: str) -> Path | None:
        """Treat a file whose result is there already as one that is done; answers where it is if it was moved.

        Raises:
            OSError: the machine refuses at the moment.
        """
        if self._policy == "keep":
            self._store.mark_seen(str(found.path), found.fingerprint, "")
            return None
        return self._try(found.path, found.fingerprint, "", lambda: self._pass_duplicate(found, reason))

    def review(self) -> None:
        """Forget the problems with files that are gone."""
        for topic in self.problems.topics():
            if not os.path.lexists(topic):
                self.problems.clear(topic)

    def _settle(self, job: Job) -> Job:
        elsewhere = self._moved(job)
        if elsewhere is not None:
            # Noted first: a crash in between is followed by another try, which has to find it where it was put.
            job = self._store.save(job.with_source(str(elsewhere)))
        source, known = Path(job.draft.source), job.draft.fingerprint
        moved = self._try(source, known, job.id, lambda: self._apply(job, source))
        return job.with_source(str(moved)) if moved else job

    def _try(self, source: Path, known: tuple[int, ...], job_id: str, action: Callable[[], Path | None]) -> Path | None:
        """Do `action`, which answers where the source is then, unless it is out of reach for good."""
        moved = None
        try:
            self._check()
            if not self._inbox.is_dir():
                raise OSError(errno.ENODEV, "the inbox is not there")
            moved = action()
        except FileNotFoundError:
            log.debug("inbox: %s was taken away by somebody else", source.name)
        except OSError as error:
            # A folder of somebody else, or a link, refuses for good; all others of these errors pass.
            if is_machine_trouble(error) and not isinstance(error, PermissionError):
                self.problems.tell(str(source), f"Files that are dealt with cannot be put away yet: {error.strerror}.")
                raise
            self._stays(source, known, job_id, error)
            return None
        self.problems.clear(str(source))
        return moved

    def _stays(self, source: Path, known: tuple[int, ...], job_id: str, error: OSError) -> None:
        with contextlib.suppress(OSError, ValueError):
            now = fingerprint(os.lstat(source))
            # As it is now: its inode may have changed since it was taken.
            known = now if known and same_content(now, known) else known
        # Whatever the folder allows, the same file must not be taken again and again.
        self._store.mark_seen(str(source), known, job_id)
        sentence = f"Files stay in {source.parent} when they are dealt with: {_sentence(error)}."
        # One of them will do: a folder of somebody else may hold thousands.
        if sentence not in self.problems.sentences():
            self.problems.tell(str(source), sentence)

    def _apply(self, job: Job, source: Path) -> Path | None:
        """Do what the policy says; answers where the source is now if it was moved."""
        way, completed = below(self._inbox, source), job.state is State.COMPLETED
        with folder_below(self._inbox, way.parent) as here:
            status = here.status(way.name)
            if status and job.draft.fingerprint and not same_content(fingerprint(status), job.draft.fingerprint):
                log.warning("inbox: %s was replaced while it was worked on; the new one is a new job", source.name)
            elif self._policy == "keep":
                self._keep(job, here, way.name)
            elif completed and self._policy == "delete":
                self._delete(here, way)
            else:
                shelf = PurePath(DONE if completed else FAILED, way.parent)
                return self._shelve(job, here, way.name, shelf)
        return None

    def _delete(self, here: SafeFolder, way: PurePath) -> None:
        """Remove a source and its sidecar; what else belongs to it is not ours to delete."""
        companions = following(here, way.name)
        ours = [each for each in companions if is_sidecar(self._inbox, here.path / each, way.name)]
        others = [each for each in companions if each not in ours]
        if others:
            with folder_below(self._inbox, PurePath(DONE, way.parent), make=True) as there:
                bring_after(here, way.name, there, way.name, others)
        for name in (*ours, way.name):
            here.remove(name)

    def _keep(self, job: Job, here: SafeFolder, name: str) -> None:
        status = here.status(name)
        if status is None:
            return
        self._store.mark_seen(job.draft.source, fingerprint(status), job.id)
        try:
            if job.state is State.COMPLETED:
                here.remove(error_name(here, name))
            else:
                write_reason(here, name, job.error)
        except OSError as error:
            # The inbox may well be read-only where sources stay.
            log.warning("inbox: %s: the reason cannot be written beside it: %s", name, error.strerror)

    def _shelve(self, job: Job, here: SafeFolder, name: str, shelf: PurePath) -> Path | None:
        with folder_below(self._inbox, shelf, make=True) as there:
            if here.status(name) is not None:
                moved = here.move(name, there)
            else:
                # A crash may have come after the move of the source and before the rest.
                moved = _moved_before(there, name, job.draft.fingerprint)
            if not moved:
                return None
            _follow(here, name, there, moved)
            if job.state is not State.COMPLETED:
                # Last: while it is missing, `strays` knows that the rest may be, too.
                write_reason(there, moved, job.error)
            return there.path / moved

    def _pass_duplicate(self, found: Found, reason: str) -> Path | None:
        name = found.path.name
        with folder_below(self._inbox, found.folder) as here:
            if self._policy == "delete":
                self._delete(here, PurePath(found.folder, name))
                return None
            with folder_below(self._inbox, PurePath(DONE, found.folder), make=True) as there:
                moved = here.move(name, there)
                _follow(here, name, there, moved)
                there.write(there.name_beside(moved, NOTE_SUFFIX), (reason + "\n").encode())
                return there.path / moved


def _follow(here: SafeFolder, name: str, there: SafeFolder, moved: str) -> None:
    """Move what lay beside a source to where that went."""
    bring_after(here, name, there, moved, following(here, name))
    here.remove(error_name(here, name))


def _moved_before(there: SafeFolder, name: str, known: tuple[int, ...]) -> str:
    """The name under which a version of a file was moved into `there`; empty if it was not."""
    for candidate in free_names(name):
        status = there.status(candidate)
        if status is None:
            break
        if known and same_content(fingerprint(status), known):
            return candidate
    return ""


def _sentence(error: OSError) -> str:
    where = f"{error.filename!s}: " if error.filename else ""
    return f"{where}{error.strerror}"
