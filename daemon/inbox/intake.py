"""Makes a job of a file that has settled, or says why not."""

from __future__ import annotations

import enum
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.engine.executor import Executor
from daemon.errors import RequestError, SidecarError
from daemon.inbox.after import error_file, write_reason
from daemon.inbox.scan import Found, fingerprint
from daemon.inbox.settle import open_for_writing
from daemon.inbox.sidecar import request_for
from daemon.jobs.drafts import digest, make_draft
from daemon.jobs.job import Draft, Job, Media, State
from daemon.jobs.parameters import JobRequest
from daemon.settings.config import Config
from daemon.store.job_store import JobStore
from daemon.work.naming import result_suffix
from daemon.work.runner import wrong_format
from seedvr2.errors import MediaError, ModelNotInstalledError, SeedVR2Error

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
    """A verdict and, unless taken, the reason in one sentence."""

    verdict: Verdict
    reason: str = ""


class Intake:
    """Looks into files and submits them. Used by the inbox's thread alone."""

    def __init__(self, config: Config, store: JobStore, executor: Executor, submit: Callable[[Draft], Job]) -> None:
        self._config = config
        self._store = store
        self._executor = executor
        self._submit = submit
        self._marker = os.open(config.paths.state / "looking-into", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def suspect(self) -> Path | None:
        """The file that was being looked into when the process ended abruptly, if it did."""
        name = os.pread(self._marker, 8192, 0).partition(b"\0")[0]
        return Path(os.fsdecode(name)) if name else None

    def clear_suspect(self) -> None:
        """Forget it."""
        # Written in place: this happens for each file, and truncating makes some file systems wait for the disk.
        os.pwrite(self._marker, b"\0", 0)

    def close(self) -> None:
        """Let go of the marker."""
        os.close(self._marker)

    def take(self, found: Found) -> Answer:
        """Make a job of a file that has been unchanged for the settle time."""
        if found.size == 0:
            return Answer(Verdict.WAIT, "The file is empty.")
        if open_for_writing(found.path):
            return Answer(Verdict.WAIT, "The file is still open for writing.")
        root, inbox = self._config.paths.inbox, self._config.inbox
        try:
            request = request_for(root, found.path, found.folder, self._config.presets, self._config.defaults)
            media = self._probe(found.path)
            self._check(request, media)
            sha256 = digest(found.path)
            # What was looked into must be what is run.
            if fingerprint(found.path.lstat()) != found.fingerprint:
                return Answer(Verdict.WAIT, "The file changed.")
            earlier = self._earlier(sha256, request)
            if earlier and inbox.duplicates == "skip":
                return self._duplicate(earlier)
            self._submit(self._draft(found, request, media, sha256, earlier))
        except SidecarError as error:
            return self._tell(found.path, Verdict.PARKED, str(error))
        except ModelNotInstalledError as error:
            return self._tell(found.path, Verdict.WAIT, f"{error} The file is tried again by itself.")
        except MediaError as error:
            if not found.path.exists():
                return Answer(Verdict.WAIT, "The file is gone.")
            return Answer(Verdict.LATER, str(error))
        except SeedVR2Error as error:
            return Answer(Verdict.REFUSED, str(error))
        except FileNotFoundError:
            return Answer(Verdict.WAIT, "The file is gone.")
        except PermissionError:
            reason = "The file cannot be read: permission denied. It is tried again by itself."
            return self._tell(found.path, Verdict.WAIT, reason)
        except RequestError as error:
            return Answer(Verdict.WAIT, str(error))
        except OSError as error:
            return Answer(Verdict.LATER, f"The file cannot be read: {error.strerror}.")
        except Exception as error:
            # One odd file must not hold up those behind it.
            log.exception("inbox: unexpected error over %s", found.path.name)
            return Answer(Verdict.LATER, f"The file cannot be looked into ({error!r}); the log says more.")
        error_file(found.path).unlink(missing_ok=True)
        return Answer(Verdict.TAKEN)

    def _probe(self, path: Path) -> Media:
        # A file that crashes the decoder takes the process with it; the next start finds its name here.
        os.pwrite(self._marker, os.fsencode(path) + b"\0", 0)
        try:
            return self._executor.probe(path)
        finally:
            self.clear_suspect()

    def _check(self, request: JobRequest, media: Media) -> None:
        if result_suffix(media.kind, request.options.output_format) is None:
            raise SidecarError(wrong_format(media.kind, request.options.output_format))
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

    def _duplicate(self, earlier: Job) -> Answer:
        if earlier.result is None or not earlier.finished:
            return Answer(Verdict.WAIT, f"The same content waits as task {earlier.id}.")
        result = Path(earlier.result.path).name
        return Answer(
            Verdict.DUPLICATE,
            f"Not made again: the same content with the same parameters is task {earlier.id}; its result is {result}.",
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
        try:
            write_reason(path, reason)
        except OSError as error:
            log.warning("inbox: %s: the reason cannot be written beside it: %s", path.name, error.strerror)
        return Answer(verdict, reason)
