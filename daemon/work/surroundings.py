"""Tells trouble of the machine from trouble with a file: is something wrong with the disks, or out of what it has?

A job that the machine refuses is not the file's fault. What it met is looked for in our own folders; while it is found
there, nothing is started, and the reason is told. When it is gone, work goes on by itself.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from daemon.errors import StoreError
from daemon.jobs.job import Job
from daemon.store.disks import Disks
from daemon.store.files import free_bytes, probe_disk, probe_writable
from daemon.work.work_folder import WorkFolder

log = logging.getLogger(__name__)
# The folders that sources lie in.
INBOX, UPLOADS = "inbox", "uploads"
SOURCES = (INBOX, UPLOADS)
FULL = (errno.ENOSPC, errno.EDQUOT)
# A file cannot be at fault for these, however often they come back.
NEVER_A_FILE = (*FULL, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
# A full disk counts as full until there is this much more room than when it was met, or LONGEST_REST_S have passed:
# whoever filled it may have gone before it was measured.
GROWTH = 1 << 20
# Without a cause that can be seen, a job is tried again after so many seconds, each time twice as long.
FIRST_REST_S, LONGEST_REST_S = 5.0, 600.0
MAX_TRIES = 4
SPARE_DESCRIPTORS = 8


@dataclass(frozen=True, slots=True)
class _Rest:
    until: float
    tries: int
    reason: str


class Surroundings:
    """What the worker asks before each job and after each refusal. Used by one thread.

    Args:
        min_free_bytes: nothing is started while the disk of `outputs` has less.
    """

    def __init__(self, outputs: Path, state: Path, work: WorkFolder, disks: Disks, *, min_free_bytes: int = 0) -> None:
        self._outputs = outputs
        self._state = state
        self._work = work
        self._disks = disks
        self._min_free_bytes = min_free_bytes
        self._suspicious = True
        self._floor, self._floor_until = 0, 0.0
        self._resting: dict[str, _Rest] = {}
        self._away: dict[str, str] = {}
        # Folders of sources whose disk has failed to read one; asked again each time until it answers.
        self._failing: set[str] = set()

    @property
    def problems(self) -> list[str]:
        """Missing disks, as `look` found them, and what tasks met that wait to be tried again."""
        now = time.monotonic()
        resting = {rest.reason: None for rest in list(self._resting.values()) if rest.until > now}
        return [reason for reason in self._away.values() if reason] + list(resting)

    def look(self, waiting: Callable[[], Iterable[Job]]) -> None:
        """Find out whether the disks of the sources are there; `waiting` answers the jobs that may need them."""
        self._away = {name: self._away_now(name, waiting) for name in SOURCES}

    def _away_now(self, name: str, waiting: Callable[[], Iterable[Job]]) -> str:
        reason = self._disks.missing(name, needed=True) or self._failing_now(name)
        if not reason or any(self._disks.holds(job.draft.source) == name for job in waiting()):
            return reason
        # With nothing to wait for, the folder that is there is the one to use.
        if name == UPLOADS:
            with contextlib.suppress(OSError):
                self._disks.make(name, needed=False)
        return self._disks.missing(name)

    def _failing_now(self, name: str) -> str:
        if name not in self._failing:
            return ""
        try:
            probe_disk(self._disks.folder(name))
        except OSError as error:
            return f"the disk of the {name} folder fails: {error.strerror}"
        self._failing.discard(name)
        return ""

    def outputs_missing(self) -> str:
        """Why the folder of the results, which a task needs, is not there; empty if it is."""
        return self._disks.missing("outputs", needed=True)

    def trouble(self, *, waiting: bool) -> str:
        """Why no job can be run now, in a few words; empty if one can.

        Args:
            waiting: whether there is one. Without, a folder of the results that is another one is the new one.
        """
        missing = self._disks.missing("outputs", needed=waiting)
        if missing:
            self._suspicious = True
            return missing
        try:
            free = free_bytes(self._outputs)
        except FileNotFoundError:
            return self._made_anew()
        except OSError as error:
            return f"the outputs folder cannot be used: {error.strerror}"
        if time.monotonic() >= self._floor_until:
            self._floor = 0
        if free < max(self._min_free_bytes, self._floor):
            return "the disk of the outputs is full"
        self._floor = 0
        if self._suspicious:
            reason = self._examined()
            self._suspicious = bool(reason)
            return reason
        return ""

    def all_well(self) -> bool:
        """Whether nothing is wrong with our own folders and this process: then a refusal concerns one place only."""
        return not self.outputs_missing() and not self._examined()

    def blame(self, job: Job, error_number: int, reason: str) -> str:
        """What to do with a job that the machine refused: why it is to be failed after all, or empty to try it again.

        Args:
            job: queued again, or about to be. error_number: of the system. reason: the sentence of its error.
        """
        self._suspicious = True
        if error_number == errno.ENOSPC:
            self._floor, self._floor_until = _free(self._outputs) + GROWTH, time.monotonic() + LONGEST_REST_S
        known = self._resting.get(job.id)
        tries = known.tries + 1 if known else 1
        if self.outputs_missing() or self._examined() or self._source_fails(job):
            # Found: the pause will last until it is mended.
            tries = 0
        elif tries >= MAX_TRIES and error_number not in NEVER_A_FILE:
            self._resting.pop(job.id, None)
            return reason
        pause = min(FIRST_REST_S * 2 ** max(tries - 1, 0), LONGEST_REST_S) if tries else 0.0
        self._resting[job.id] = _Rest(time.monotonic() + pause, tries, reason)
        return ""

    def _source_fails(self, job: Job) -> bool:
        name = self._disks.holds(job.draft.source)
        if name not in SOURCES:
            return False
        self._failing.add(name)
        return bool(self._failing_now(name))

    def ready(self, job: Job) -> bool:
        """Whether a waiting job may begin: its disk is there, and it does not rest after a refusal."""
        rest = self._resting.get(job.id)
        return (rest is None or time.monotonic() >= rest.until) and not self.waits_for(job)

    def waits_for(self, job: Job) -> str:
        """Why a job cannot begin though it is its turn: its disk, as `look` found it. For any thread."""
        return self._away.get(self._disks.holds(job.draft.source), "")

    def missing(self, job: Job) -> str:
        """Why the source of a job cannot be reached at this moment; empty if its disk is there."""
        name = self._disks.holds(job.draft.source)
        return self._disks.missing(name, needed=True) if name else ""

    def forget(self, job: Job) -> None:
        """The job has ended."""
        self._resting.pop(job.id, None)

    def _made_anew(self) -> str:
        try:
            self._disks.make("outputs", needed=False)
        except OSError as error:
            return f"the outputs folder is gone and cannot be made: {error.strerror}"
        return ""

    def _examined(self) -> str:
        """What is wrong with our own folders or with this process; empty if nothing is."""
        checks = (
            ("outputs", self._try_work_folder),
            ("state", lambda: probe_writable(self._state)),
            ("machine", _try_descriptors),
        )
        for name, check in checks:
            try:
                check()
            except StoreError as error:
                return str(error)
            except OSError as error:
                return _sentence(name, error)
        return ""

    def _try_work_folder(self) -> None:
        self._work.claim()
        probe_writable(self._work.root)
        self._work.leave()


def _try_descriptors() -> None:
    opened: list[int] = []
    try:
        for _ in range(SPARE_DESCRIPTORS):
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _sentence(name: str, error: OSError) -> str:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many files are open at once; the limit can be raised (LimitNOFILE= of the unit, ulimit -n)"
    if error.errno in FULL:
        return "the disk of the outputs is full" if name == "outputs" else f"the disk of the {name} folder is full"
    if error.errno == errno.EROFS:
        return f"the disk of the {name} folder is read-only"
    return f"the {name} folder cannot be written: {error.strerror}"


def _free(folder: Path) -> int:
    try:
        return free_bytes(folder)
    except OSError:
        return 0
