"""The inbox's thread: scan, settle, take; follow what the user does to files that wait."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from daemon.errors import RequestError
from daemon.inbox.after import Aftermath
from daemon.inbox.intake import Intake
from daemon.inbox.moved import Moved
from daemon.inbox.problems import distinct
from daemon.inbox.refusals import Refusals
from daemon.inbox.scan import Found, Scanner
from daemon.inbox.strays import clear_strays
from daemon.inbox.turns import Turns
from daemon.inbox.watcher import Watcher
from daemon.jobs.job import Job, State
from daemon.jobs.queue import JobQueue
from daemon.settings.config import Config
from daemon.store.disks import Disks
from daemon.store.files import is_gone
from daemon.store.job_store import JobStore
from daemon.store.safe_open import same_content
from daemon.work.operations import Operations

log = logging.getLogger(__name__)
MIN_WAIT_S = 0.02


class Inbox:
    """Watches the inbox until it is stopped.

    The state of the files is in the folder and in the store; what this object remembers only saves work.

    Args:
        disks: tells whether the disk of the inbox is there.
        moved: finds files that were renamed while their tasks wait or run.
        busy: whether a job runs, or a file is looked into, that an abrupt end of the process would end too.
        alone: whether a job runs beside which no file may be looked into.
    """

    def __init__(
        self,
        config: Config,
        store: JobStore,
        queue: JobQueue,
        operations: Operations,
        intake: Intake,
        aftermath: Aftermath,
        refusals: Refusals,
        disks: Disks,
        moved: Moved,
        busy: Callable[[], bool] = lambda: False,
        alone: Callable[[], bool] = lambda: False,
    ) -> None:
        self._config = config
        self._root = config.paths.inbox
        self._store = store
        self._queue = queue
        self._operations = operations
        self._intake = intake
        self._aftermath = aftermath
        self._disks = disks
        self._moved = moved
        self._alone = alone
        self._scanner = Scanner(self._root)
        self._turns = Turns(config, intake, aftermath, refusals, lambda: not busy() and not len(queue))
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._watcher = Watcher(self._root, config.inbox.watch, self._wake)
        self._thread = threading.Thread(target=self._main, name="inbox", daemon=True)
        self._watched: tuple[int, int] | None = None
        self._tidied = False
        self.scanned = threading.Event()
        self.pending = 0
        self.paused = ""

    def start(self) -> None:
        """Begin to watch; `scanned` is set after the first scan."""
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread and the watch."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        self._watcher.stop()
        if not self._thread.is_alive():
            self._intake.close()

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def problems(self) -> list[str]:
        """What stands in the way of the inbox at the moment, in sentences."""
        told = (*self._turns.problems.sentences(), *self._aftermath.problems.sentences())
        return distinct((self.paused, self._watcher.problem, *told))

    def _main(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            began = time.monotonic()
            try:
                self._look()
            except Exception:
                # The boundary of the thread: one odd file must not end the watch over all the others.
                log.exception("inbox: unexpected error; looking again later")
            self.scanned.set()
            took = time.monotonic() - began
            self._wake.wait(self._pause())
            # In a burst of events each would cost a whole scan; like this, scans take a fifth of the time at most.
            self._stop.wait(max(MIN_WAIT_S, 4 * took))

    def _pause(self) -> float:
        """Seconds until the next look is due."""
        often = self._watcher.polling or self._config.inbox.watch == "poll"
        longest = self._config.inbox.poll_s if often else self._config.inbox.rescan_s
        if self.paused:
            # A disk that comes back tells nobody.
            return min(longest, self._config.inbox.poll_s)
        return max(min(longest, self._turns.next_due() - time.monotonic()), MIN_WAIT_S)

    def _look(self) -> None:
        self.paused = self._reason_to_pause()
        if self.paused:
            return
        # The watch begins before the first scan, so that nothing falls between them.
        self._watch()
        # Before the scan: a job that ends in between took its file along, and must not look like a new one.
        mine = {Path(job.draft.source): job for job in self._store.open_jobs() if job.draft.origin == "inbox"}
        found = list(self._scanner.scan())
        # The folder may have gone while it was read; then nothing that is missing means anything.
        if self._reason_to_pause():
            return
        present = {each.path: each for each in found}
        self._follow_waiting(present)
        elsewhere = self._moved.sources(mine.values(), present)
        fresh = [each for each in found if each.path not in elsewhere and not self._known(each, mine)]
        self.pending = len(fresh)
        self._aftermath.review()
        if self._alone():
            return
        self._turns.take(fresh, self._stop.is_set)
        if not self._tidied:
            self._tidied = True
            clear_strays(self._root)

    def _reason_to_pause(self) -> str:
        needed = any(job.draft.origin == "inbox" for job in self._store.open_jobs())
        reason = self._disks.missing("inbox", needed=needed)
        if not reason:
            try:
                self._root.stat()
            except OSError as error:
                reason = f"the inbox cannot be read: {error.strerror}"
        if reason != self.paused:
            log.warning("inbox: %s", reason or "it is back")
        return reason

    def _watch(self) -> None:
        """Watch the folder, also one that has come into the place of the former."""
        status = self._root.stat()
        if self._watched != (status.st_dev, status.st_ino):
            if self._watched is not None:
                self._watcher.stop()
            self._watched = (status.st_dev, status.st_ino)
            self._watcher.start()
        self._watcher.revive()

    def _known(self, found: Found, mine: dict[Path, Job]) -> bool:
        job = mine.get(found.path)
        if job is not None and (
            job.state is not State.QUEUED or same_content(job.draft.fingerprint, found.fingerprint)
        ):
            return True
        return self._store.seen(str(found.path), found.fingerprint)

    def _follow_waiting(self, present: dict[Path, Found]) -> None:
        """A waiting job follows its file when that is renamed, and ends when it is deleted or replaced."""
        by_version: defaultdict[tuple[int, ...], list[Found]] = defaultdict(list)
        for each in present.values():
            by_version[each.fingerprint[1:]].append(each)
        for job in self._queue.waiting():
            if job.draft.origin != "inbox":
                continue
            try:
                self._follow(job, present.get(Path(job.draft.source)), by_version[job.draft.fingerprint[1:]])
            except Exception as error:
                # The store refuses, or the record is an odd one; the files behind this one need not wait.
                log.warning("job %s: what became of its file cannot be recorded: %s", job.id, error)

    def _follow(self, job: Job, here: Found | None, alike: list[Found]) -> None:
        if here is not None and same_content(job.draft.fingerprint, here.fingerprint):
            return
        moved = self._moved.pick(job, alike)
        if moved is not None:
            where = (str(moved.path), moved.folder)
            # While it is amended it cannot start, so the record of a running job is never written over.
            self._queue.amend(job.id, lambda waiting: self._store.save(waiting.with_source(*where)))
            log.info("job %s: its file is now %s", job.id, moved.path.name)
        elif here is not None:
            self._give_up(job, "The file was replaced while it waited; the new one is a new task.")
        # Asked once more: the disk may have gone since the scan, and would take all of them along.
        elif is_gone(Path(job.draft.source)) and not self._reason_to_pause():
            self._give_up(job, "The file was removed from the inbox while it waited.")

    def _give_up(self, job: Job, reason: str) -> None:
        try:
            self._operations.cancel(job.id, reason)
        except RequestError:
            log.debug("job %s began just now", job.id)
