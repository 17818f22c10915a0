"""The inbox's thread: scan, settle, take; follow what the user does to files that wait."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

from daemon.errors import RequestError
from daemon.inbox.after import Aftermath
from daemon.inbox.intake import Answer, Intake, Verdict
from daemon.inbox.scan import DONE, NOTE_SUFFIX, Found, Scanner, fingerprint, same_content
from daemon.inbox.settle import Settler, Signature
from daemon.inbox.sidecar import companions, sidecars_of
from daemon.inbox.watcher import Watcher
from daemon.jobs.job import Job, State
from daemon.jobs.queue import JobQueue
from daemon.settings.config import Config
from daemon.store.files import cut, move_aside, write_durably
from daemon.store.job_store import JobStore
from daemon.work.operations import Operations

log = logging.getLogger(__name__)
MIN_WAIT_S = 0.02


class Inbox:
    """Watches the inbox until it is stopped.

    The state of the files is in the folder and in the store; what this object remembers only saves work.
    """

    def __init__(
        self,
        config: Config,
        store: JobStore,
        queue: JobQueue,
        operations: Operations,
        intake: Intake,
        aftermath: Aftermath,
    ) -> None:
        self._config = config
        self._root = config.paths.inbox
        self._store = store
        self._queue = queue
        self._operations = operations
        self._intake = intake
        self._aftermath = aftermath
        self._scanner = Scanner(self._root)
        self._settler = Settler(config.inbox.settle_s)
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._watcher = Watcher(self._root, config.inbox.watch, self._wake)
        self._thread = threading.Thread(target=self._main, name="inbox", daemon=True)
        self._device = 0
        self.scanned = threading.Event()
        self.pending = 0
        self.paused = ""

    def start(self) -> None:
        """Begin to watch; `scanned` is set after the first scan."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._device = self._root.stat().st_dev
        self._pass_over_suspect()
        # The watch begins before the first scan, so that nothing falls between them.
        self._watcher.start()
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
        return max(min(longest, self._settler.next_due() - time.monotonic()), MIN_WAIT_S)

    def _look(self) -> None:
        self.paused = self._reason_to_pause()
        if self.paused:
            return
        self._watcher.revive()
        # Before the scan: a job that ends in between took its file along, and must not look like a new one.
        mine = {Path(job.draft.source): job for job in self._store.open_jobs() if job.draft.origin == "inbox"}
        found = list(self._scanner.scan())
        # The folder may have gone while it was read; then nothing that is missing means anything.
        if self._reason_to_pause():
            return
        present = {each.path: each for each in found}
        self._follow_waiting(present)
        fresh = [each for each in found if not self._known(each, mine)]
        self._settler.forget_others({each.path for each in fresh})
        self.pending = len(fresh)
        for each in fresh:
            if self._stop.is_set():
                return
            self._consider(each)

    def _reason_to_pause(self) -> str:
        try:
            device = self._root.stat().st_dev
        except OSError as error:
            reason = f"the inbox cannot be read: {error.strerror}"
        else:
            # An unmounted disk leaves an empty folder behind; its files were not deleted.
            reason = "" if device == self._device else "another disk is mounted in the inbox's place"
        if reason != self.paused:
            log.warning("inbox: %s", reason or "it is back")
        return reason

    def _known(self, found: Found, mine: dict[Path, Job]) -> bool:
        job = mine.get(found.path)
        if job is not None and (
            job.state is not State.QUEUED or same_content(job.draft.fingerprint, found.fingerprint)
        ):
            return True
        return self._store.seen(str(found.path), found.fingerprint)

    def _consider(self, found: Found) -> None:
        now = time.monotonic()
        if not self._settler.observe(found.path, self._signature(found), now):
            return
        answer = self._intake.take(found)
        if answer.verdict is Verdict.TAKEN:
            return
        if answer.verdict is Verdict.LATER:
            stable = self._settler.unchanged_s(found.path, now)
            patience = self._config.inbox.settle_s + self._config.inbox.give_up_s
            answer = Answer(Verdict.WAIT if stable < patience else Verdict.REFUSED, answer.reason)
        if answer.verdict is Verdict.WAIT:
            self._settler.postpone(found.path, now)
            return
        log.warning("inbox: %s: %s", found.path.name, answer.reason)
        self._settler.park(found.path)
        if answer.verdict is Verdict.REFUSED:
            self._refuse(found, answer.reason)
        elif answer.verdict is Verdict.DUPLICATE:
            self._pass_duplicate(found, answer.reason)

    def _signature(self, found: Found) -> Signature:
        beside = companions(self._root, found.path, found.folder)
        return (found.fingerprint, *(_stat_of(file) for file in beside))

    def _refuse(self, found: Found, reason: str) -> None:
        if self._config.inbox.after == "keep" or self._aftermath.refuse(found.path, found.folder, reason) is None:
            self._store.mark_seen(str(found.path), found.fingerprint, "")

    def _pass_duplicate(self, found: Found, reason: str) -> None:
        policy = self._config.inbox.after
        try:
            if policy == "delete":
                for file in (*sidecars_of(found.path), found.path):
                    file.unlink(missing_ok=True)
            elif policy == "move":
                moved = move_aside(found.path, self._root / DONE / found.folder)
                for file in sidecars_of(found.path):
                    move_aside(file, moved.parent, moved.name + file.suffix)
                write_durably(moved.with_name(cut(moved.name, NOTE_SUFFIX)), (reason + "\n").encode())
        except OSError as error:
            log.warning("inbox: %s stays where it is: %s", found.path.name, error.strerror)
        self._store.mark_seen(str(found.path), found.fingerprint, "")

    def _follow_waiting(self, present: dict[Path, Found]) -> None:
        """A waiting job follows its file when that is renamed, and ends when it is deleted or replaced."""
        by_inode = {each.fingerprint: each for each in present.values()}
        for job in self._queue.waiting():
            if job.draft.origin != "inbox":
                continue
            path = Path(job.draft.source)
            here = present.get(path)
            if here is not None:
                if not same_content(job.draft.fingerprint, here.fingerprint):
                    self._give_up(job, "The file was replaced while it waited; the new one is a new task.")
                continue
            moved = by_inode.get(tuple(job.draft.fingerprint))  # type: ignore[arg-type]
            if moved is not None:
                self._follow(job, moved)
            elif not os.path.lexists(path):
                self._give_up(job, "The file was removed from the inbox while it waited.")

    def _follow(self, job: Job, moved: Found) -> None:
        # While it is amended it cannot start, so the record of a running job is never written over.
        self._queue.amend(job.id, lambda waiting: self._store.save(waiting.with_source(str(moved.path))))
        log.info("job %s: its file is now %s", job.id, moved.path.name)

    def _give_up(self, job: Job, reason: str) -> None:
        try:
            self._operations.cancel(job.id, reason)
        except RequestError:
            log.debug("job %s began just now", job.id)

    def _pass_over_suspect(self) -> None:
        path = self._intake.suspect()
        if path is None:
            return
        if path.is_relative_to(self._root) and path.is_file() and not path.is_symlink():
            reason = "Reading this file ended the service abruptly, so it was put aside."
            log.error("inbox: %s: %s", path.name, reason)
            folder = path.parent.relative_to(self._root).as_posix()
            found = Found(path, "" if folder == "." else folder, fingerprint(path.lstat()))
            self._refuse(found, reason)
        self._intake.clear_suspect()


def _stat_of(file: Path) -> tuple[int, ...]:
    try:
        return fingerprint(file.lstat())
    except OSError:
        return ()
