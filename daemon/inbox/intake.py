"""Makes a job of a file that has settled, or says why not."""

from __future__ import annotations

import contextlib
import enum
import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.engine.executor import Executor
from daemon.errors import RequestError, SidecarError, StoreError
from daemon.inbox.beside import tell_beside
from daemon.inbox.scan import Found
from daemon.inbox.settle import open_for_writing
from daemon.inbox.sidecar import request_for
from daemon.inbox.suspects import Suspects
from daemon.jobs.drafts import digest, make_draft
from daemon.jobs.job import Draft, Job, Media, State
from daemon.jobs.parameters import JobRequest
from daemon.settings.config import Config
from daemon.store.job_store import JobStore
from daemon.store.safe_open import DESK, Held, SwappedError, held, open_unchanged
from daemon.work.naming import result_suffix, wrong_format
from seedvr2.errors import (
    MachineError,
    MediaError,
    ModelNotInstalledError,
    NeverFitsError,
    OutOfMemoryError,
    SeedVR2Error,
    TooLargeError,
)
from seedvr2.trouble import is_machine_trouble, is_out_of_memory

log = logging.getLogger(__name__)


class Verdict(enum.Enum):
    """What came of a try to take a file."""

    TAKEN = "taken"
    WAIT = "wait"  # something else has to happen first: try again for as long as it takes
    LATER = "later"  # it may still become right: try again for a while
    PARKED = "parked"  # somebody has to change it first; it stays where it is
    REFUSED = "refused"  # it will never do: out of the way with it
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict and, unless taken, the reason in one sentence. `problem` is what it says of the machine, if it does.

    `draft` is that of a duplicate, as it would have been made.
    """

    verdict: Verdict
    reason: str = ""
    problem: str = ""
    draft: Draft | None = None


class Intake:
    """Looks into files and submits them. Used by the inbox's thread alone."""

    def __init__(self, config: Config, store: JobStore, executor: Executor, submit: Callable[[Draft], Job]) -> None:
        self._config = config
        self._store = store
        self._executor = executor
        self._submit = submit
        self._root = config.paths.inbox
        # Files are read under paths of our own, so that what is looked into is what was found.
        self._desk = config.paths.state / DESK
        shutil.rmtree(self._desk, ignore_errors=True)
        self.suspects = Suspects(config.paths.state)

    def close(self) -> None:
        """Let go of the marker."""
        self.suspects.close()

    def take(self, found: Found, *, incomplete: bool = False) -> Answer:
        """Make a job of a file that has been unchanged for the settle time.

        Args:
            incomplete: take it even if it says itself that it is not all there: nothing more will come.
        """
        if found.size == 0:
            return Answer(Verdict.WAIT, "The file is empty.")
        try:
            with held(self._root, found.path, found.fingerprint, self._desk) as source:
                answer = self._take(found, source, incomplete=incomplete)
        except Exception as error:
            answer = self._explain(found, error)
        if answer.verdict is Verdict.TAKEN:
            tell_beside(self._root, found.path, "")
        return answer

    def _take(self, found: Found, source: Held, *, incomplete: bool) -> Answer:
        if open_for_writing(source.descriptor):
            return Answer(Verdict.WAIT, "The file is still open for writing.")
        request = request_for(self._root, found.path, found.folder, self._config.presets, self._config.defaults)
        media = self._probe(found, source.path)
        self._check(request, media)
        if media.incomplete and not incomplete:
            return Answer(Verdict.LATER, media.incomplete)
        sha256 = digest(source.path)
        # What was looked into must be what is run.
        if not self._is_still(found):
            return Answer(Verdict.WAIT, "The file changed.")
        earlier = self._earlier(sha256, request)
        draft = self._draft(found, request, media, sha256, earlier)
        if earlier and self._config.inbox.duplicates == "skip":
            return self._duplicate(earlier, draft)
        with _writing_state():
            self._submit(draft)
        return Answer(Verdict.TAKEN)

    def _explain(self, found: Found, error: Exception) -> Answer:
        """What an error means for the file, and whether it is the file's."""
        match error:
            case SidecarError():
                return self._tell(found.path, Verdict.PARKED, str(error))
            case ModelNotInstalledError():
                return self._tell(found.path, Verdict.WAIT, f"{error} The file is tried again by itself.")
            case RequestError() | SwappedError() | FileNotFoundError():
                return Answer(Verdict.WAIT, str(error))
            case PermissionError() | MachineError(errno=errno.EACCES | errno.EPERM):
                reason = f"{_name(error, found)} cannot be read: permission denied. It is tried again by itself."
                return self._tell(found.path, Verdict.WAIT, reason)
            case MediaError() if not os.path.lexists(found.path):
                return Answer(Verdict.WAIT, "The file is gone.")
        problem = _of_machine(error)
        if problem:
            return Answer(Verdict.WAIT, problem, f"Files cannot be taken from the inbox: {problem}")
        match error:
            case MediaError() if not isinstance(error, TooLargeError):
                return Answer(Verdict.LATER, str(error))
            case SeedVR2Error():
                return Answer(Verdict.REFUSED, str(error))
            case OSError():
                return Answer(Verdict.LATER, f"The file cannot be read: {error.strerror}.")
        # One odd file must not hold up those behind it.
        log.error("inbox: unexpected error over %s", found.path.name, exc_info=error)
        return Answer(Verdict.LATER, f"The file cannot be looked into ({error!r}); the log says more.")

    def _probe(self, found: Found, path: Path) -> Media:
        # A file that crashes the decoder takes the process with it; the next start finds its name here.
        with _writing_state():
            self.suspects.begin(found.path, found.fingerprint)
        try:
            media = self._executor.probe(path)
        finally:
            self.suspects.end()
        self.suspects.clear(found.path)
        return media

    def _is_still(self, found: Found) -> bool:
        try:
            os.close(open_unchanged(self._root, found.path, found.fingerprint))
        except (SwappedError, FileNotFoundError):
            return False
        return True

    def _check(self, request: JobRequest, media: Media) -> None:
        if result_suffix(media, request.options) is None:
            raise SidecarError(wrong_format(media, request.options.output_format))
        if request.model:
            self._executor.resolve(request.model)

    def _earlier(self, sha256: str, request: JobRequest) -> Job | None:
        job = self._store.with_content(sha256)
        if job is None or job.state in (State.FAILED, State.CANCELLED):
            return None
        same = dict(job.draft.options) == request.options.as_dict() and job.draft.model == request.model
        if not same or (job.result and job.state is State.COMPLETED and not Path(job.result.path).exists()):
            return None
        return job

    def _duplicate(self, earlier: Job, draft: Draft) -> Answer:
        if earlier.result is None or not earlier.finished:
            return Answer(Verdict.WAIT, f"The same content waits as task {earlier.id}.")
        result = Path(earlier.result.path).name
        return Answer(
            Verdict.DUPLICATE,
            f"Not made again: the same content with the same parameters is task {earlier.id}; its result is {result}.",
            draft=draft,
        )

    def _draft(self, found: Found, request: JobRequest, media: Media, sha256: str, earlier: Job | None) -> Draft:
        return make_draft(
            request,
            media,
            origin="inbox",
            source=found.path,
            original_filename=found.path.name,
            sha256=sha256,
            size=found.size,
            folder=found.folder,
            fingerprint=found.fingerprint,
            duplicate_of=earlier.id if earlier else "",
        )

    def _tell(self, path: Path, verdict: Verdict, reason: str) -> Answer:
        tell_beside(self._root, path, reason)
        return Answer(verdict, reason)


@contextlib.contextmanager
def _writing_state() -> Iterator[None]:
    # Whatever the state folder refuses, and however, is not the file's fault.
    try:
        yield
    except OSError as error:
        raise StoreError(f"the state folder cannot be written ({error.strerror}).") from error


def _name(error: Exception, found: Found) -> str:
    named = Path(str(error.filename)).name if isinstance(error, OSError) and error.filename else ""
    return named or found.path.name


def _of_machine(error: Exception) -> str:
    """What an error says of the machine and not of the file; empty if it is the file's."""
    if isinstance(error, NeverFitsError | TooLargeError):
        return ""
    if isinstance(error, MachineError | OutOfMemoryError | StoreError):
        return str(error)
    if is_out_of_memory(error):
        return "there is not enough memory at the moment."
    if isinstance(error, OSError) and is_machine_trouble(error):
        return f"{error.strerror}."
    return ""
