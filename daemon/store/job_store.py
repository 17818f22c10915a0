"""Everything that must survive: the jobs, the speeds measured, the files of the inbox that were seen.

Jobs are frozen, so the answers can be kept and passed around. Every change is durable when the method returns.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tinydb import TinyDB
from tinydb.table import Document, Table

from daemon.errors import StoreError
from daemon.jobs.job import BAD_RECORD, MOVES, Draft, IllegalMoveError, Job, State
from daemon.store.clock import ServiceClock
from daemon.store.files import is_gone
from daemon.store.history import History
from daemon.store.storage import JournalledStorage

log = logging.getLogger(__name__)
JOBS, SEEN, META, SPEEDS, QUEUE = "jobs", "seen", "meta", "speeds", "queue"
# Any odd number makes number -> id a bijection of 32-bit numbers: no id comes twice in four thousand million jobs.
STEP = 0x9E3779B1


class JobStore:
    """The store in a folder; only one process may have it open.

    Raises:
        StoreError: another daemon uses the folder, or a file cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep_count: int = 10_000,
        keep_days: float = 0.0,
        on_forget: Callable[[Job], None] = lambda _job: None,
    ) -> None:
        """`on_forget` is called with each finished job that the history drops by itself."""
        self._lock = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock_file = _lock_folder(folder)
        except OSError as error:
            raise StoreError(f"The state folder {folder} cannot be used: {error.strerror}.") from error
        try:
            self._open(folder, keep_count, keep_days, on_forget)
        except BaseException as error:
            os.close(self._lock_file)
            if isinstance(error, OSError):
                raise StoreError(f"The state folder {folder} cannot be used: {error.strerror}.") from error
            raise

    def _open(self, folder: Path, keep_count: int, keep_days: float, on_forget: Callable[[Job], None]) -> None:
        self._db = TinyDB(folder / "jobs.json", storage=JournalledStorage)
        self._storage: JournalledStorage = self._db.storage
        self.clock = ServiceClock(folder / "clock.json")
        self._history = History(
            folder / "history.jsonl", keep_count=keep_count, keep_days=keep_days, on_forget=on_forget
        )
        self.unreadable = 0
        self._jobs = self._load_jobs()
        self._seen = self._load_seen()
        self._by_content = {job.draft.sha256: job.id for job in self._jobs.values()}
        self._salt, self._next = self._load_meta()

    # -- jobs ---------------------------------------------------------------------------------------------

    def add(self, draft: Draft, *, error: str = "", settled: bool = False, cancelled: bool = False) -> Job:
        """A new job, with an id that was never used before. It waits; with an `error`, it has failed by that already.

        Args:
            settled: there is nothing to be done to the source of the one that failed.
            cancelled: it is not wanted, which `error` explains, rather than failed.
        """
        with self._lock:
            number, job_id = self._free_number()
            job = Job(job_id, number, time.time(), draft)
            if error:
                job = (job.cancel if cancelled else job.fail)(job.created_at, error)
                job = job.as_settled() if settled else job
            with self._storage.batch():
                self._put(self._meta(), 1, {"salt": self._salt, "next": number + 1})
                self._put(self._shard(job.id), int(job.id, 16), job.record())
            self._next = number + 1
            self._jobs[job.id] = job
            self._by_content[draft.sha256] = job.id
            return job

    def withdraw(self, job: Job) -> None:
        """Take back a job that was added just now and of which nobody has heard."""
        with self._lock:
            with self._storage.batch():
                self._shard(job.id).remove(doc_ids=[int(job.id, 16)])
            self._jobs.pop(job.id, None)
            if self._by_content.get(job.draft.sha256) == job.id:
                del self._by_content[job.draft.sha256]

    def save(self, job: Job) -> Job:
        """Store a changed job.

        Raises:
            IllegalMoveError: its state cannot follow the stored one.
        """
        with self._lock:
            stored = self._jobs.get(job.id)
            if stored is None:
                raise IllegalMoveError(f"job {job.id} is not among the open jobs")
            if job.state is not stored.state and job.state not in MOVES[stored.state]:
                raise IllegalMoveError(f"job {job.id} is {stored.state} and cannot become {job.state}")
            with self._storage.batch():
                self._put(self._shard(job.id), int(job.id, 16), job.record())
            self._jobs[job.id] = job
            return job

    def archive(self, job: Job) -> None:
        """Move a finished job, whose source has been dealt with, to the history."""
        with self._lock:
            self._history.append(job.as_settled(), self.clock.now())
            # If this half is lost, the next start finds the job in the history and drops it here.
            with self._storage.batch(durable=False):
                self._shard(job.id).remove(doc_ids=[int(job.id, 16)])
            self._jobs.pop(job.id, None)
            if self._by_content.get(job.draft.sha256) == job.id:
                del self._by_content[job.draft.sha256]

    def get(self, job_id: str) -> Job | None:
        """The job with this id, open or finished."""
        with self._lock:
            return self._jobs.get(job_id) or self._history.get(job_id)

    def open_jobs(self) -> list[Job]:
        """Every job that is not in the history yet, in order of arrival."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda job: job.number)

    def history(self, limit: int, states: Iterable[State]) -> list[Job]:
        """The newest finished jobs in one of `states`, newest first."""
        wanted = frozenset(states)
        with self._lock:
            unsettled = [job for job in self._jobs.values() if job.state in wanted and job.finished]
            archived = self._history.newest(limit, wanted)
        return sorted((*unsettled, *archived), key=lambda job: -(job.completed_at or 0.0))[:limit]

    def finished_before(self, moment: float) -> list[Job]:
        """The jobs in the history that ended before `moment` of `clock`."""
        with self._lock:
            return list(self._history.finished_before(moment))

    def forget(self, job_id: str) -> None:
        """Drop a job from the history."""
        with self._lock:
            self._history.remove(job_id)

    def fold_history(self) -> None:
        """Apply the retention of the history now."""
        with self._lock:
            self._history.fold(self.clock.now())

    def totals(self) -> dict[State, int]:
        """How many jobs are in each state."""
        with self._lock:
            totals = dict.fromkeys(State, 0) | self._history.totals
            for job in self._jobs.values():
                totals[job.state] += 1
            return totals

    def with_content(self, sha256: str) -> Job | None:
        """An open job whose source has this content, else the last completed one."""
        with self._lock:
            job = self._jobs.get(self._by_content.get(sha256, ""))
            return job or self._history.with_content(sha256)

    # -- files of the inbox that stay where they are ------------------------------------------------------

    def mark_seen(self, path: str, fingerprint: tuple[int, ...], job_id: str) -> None:
        """Remember that this file, as it is now, was dealt with."""
        with self._lock:
            with self._storage.batch():
                record = {"path": path, "fingerprint": list(fingerprint), "job": job_id}
                self._put(self._seen_table(path), _seen_key(path), record)
            self._seen[path] = fingerprint

    def seen(self, path: str, fingerprint: tuple[int, ...]) -> bool:
        """Whether this file, as it is now, was dealt with."""
        return self._seen.get(path) == fingerprint

    def forget_missing(self) -> None:
        """Drop the memory of files that are gone. Not while their disk is missing: they all look so then."""
        # The disk is asked before the lock is taken: it may be slow.
        gone = [path for path in list(self._seen) if is_gone(Path(path))]
        if not gone:
            return
        with self._lock:
            with self._storage.batch():
                for path in gone:
                    self._seen_table(path).remove(doc_ids=[_seen_key(path)])
            for path in gone:
                self._seen.pop(path, None)

    # -- speeds -------------------------------------------------------------------------------------------

    def speeds(self) -> dict[str, float]:
        """Measured speed of each model, in megapixel-frames a second."""
        with self._lock:
            records = self._records(SPEEDS)
        try:
            return dict(records[0]["models"]) if records else {}
        except BAD_RECORD as error:
            log.warning("the measured speeds cannot be read (%r); they are measured anew", error)
            return {}

    def save_speeds(self, speeds: dict[str, float]) -> None:
        """Remember the measured speeds, at the latest when the store is closed."""
        with self._lock, self._storage.batch(durable=False):
            self._put(self._db.table(SPEEDS), 1, {"models": dict(speeds)})

    # -- the queue ----------------------------------------------------------------------------------------

    def paused(self) -> bool:
        """Whether somebody paused the queue."""
        with self._lock:
            records = self._records(QUEUE)
        try:
            return bool(records and records[0]["paused"])
        except BAD_RECORD as error:
            log.warning("whether the queue was paused cannot be read (%r); it runs", error)
            return False

    def save_paused(self, paused: bool) -> None:
        """Remember that it is, or is not any more."""
        with self._lock, self._storage.batch():
            self._put(self._db.table(QUEUE), 1, {"paused": paused})

    def close(self) -> None:
        """Leave the files in order and let others in."""
        with self._lock:
            self.clock.save()
            self._db.close()
            self._history.close()
            os.close(self._lock_file)

    # -- inside -------------------------------------------------------------------------------------------

    def _load_jobs(self) -> dict[str, Job]:
        jobs = {}
        for name in self._db.tables():
            if not name.startswith(f"{JOBS}-"):
                continue
            for record in self._records(name):
                try:
                    job = Job.from_record(record)
                except BAD_RECORD as error:
                    # It stays in the file: a newer version may know it. One bad record must not stop all the others.
                    log.error("a record in %s is not a job (%r), and is left alone: %.200r", name, error, record)
                    self.unreadable += 1
                    continue
                # The process ended between the two halves of `archive`.
                if job.id in self._history:
                    self._shard(job.id).remove(doc_ids=[int(job.id, 16)])
                else:
                    jobs[job.id] = job
        return jobs

    def _load_meta(self) -> tuple[int, int]:
        """The salt of the ids and the next number; never one that a job has."""
        meta = self._meta().get(doc_id=1)
        try:
            salt, following = (int(meta["salt"]), int(meta["next"])) if meta else (secrets.randbits(32), 1)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{self._storage.path} does not say which number is next ({error!r}).") from error
        return salt, max([following, *(job.number + 1 for job in self._jobs.values())])

    def _free_number(self) -> tuple[int, str]:
        number = self._next
        while True:
            job_id = f"{(number * STEP + self._salt) % 2**32:08x}"
            # Taken only where the salt was lost, or by a record that could not be read.
            if job_id not in self._jobs and job_id not in self._history and not self._stored(job_id):
                return number, job_id
            number += 1

    def _stored(self, job_id: str) -> bool:
        return self._shard(job_id).get(doc_id=int(job_id, 16)) is not None

    def _put(self, table: Table, key: int, record: dict[str, Any]) -> None:
        table.remove(doc_ids=[key])
        table.insert(Document(record, doc_id=key))

    def _meta(self) -> Table:
        return self._db.table(META)

    def _shard(self, job_id: str) -> Table:
        # TinyDB's work grows with the table, so jobs are spread over 256 of them.
        return self._db.table(f"{JOBS}-{job_id[:2]}")

    def _load_seen(self) -> dict[str, tuple[int, ...]]:
        names = [name for name in self._db.tables() if name.startswith(f"{SEEN}-")]
        seen: dict[str, tuple[int, ...]] = {}
        for record in (record for name in names for record in self._records(name)):
            try:
                seen[str(record["path"])] = tuple(int(each) for each in record["fingerprint"])
            except BAD_RECORD as error:
                # Its file is taken once more.
                log.error("a record in %s tells of no file (%r), and is left alone: %.200r", SEEN, error, record)
        return seen

    def _records(self, table: str) -> list[Any]:
        """What is in a table, as it is: TinyDB stops at the first that is no document."""
        return list(self._storage.read().get(table, {}).values())

    def _seen_table(self, path: str) -> Table:
        return self._db.table(f"{SEEN}-{_seen_key(path) % 256:02x}")


def _seen_key(path: str) -> int:
    return int.from_bytes(blake2b(os.fsencode(path), digest_size=7).digest(), "big")


def _lock_folder(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError(f"Another seedvr2d uses {folder}. End it, or give this one another paths.state.") from None
    return descriptor
