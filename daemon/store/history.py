"""Finished jobs: one line each in a file that only grows, folded now and then to what is to be kept.

Only an index (id, state, place in the file) is in memory; the records are read when somebody asks.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.errors import StoreError
from daemon.jobs.job import BAD_RECORD, Job, State
from daemon.store.files import clear_temporary, sync_folder, write_durably

log = logging.getLogger(__name__)
# The file is rewritten when it holds this much more than is to be kept.
SLACK = 1.25


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a record is, and what is needed to choose it without reading it.

    `clock` is when it ended by the clock of the service, which does not jump as that of the wall does.
    """

    offset: int
    length: int
    state: State
    clock: float
    sha256: str


class History:
    """The finished jobs, oldest first. Not thread-safe: its owner locks."""

    def __init__(
        self, path: Path, *, keep_count: int, keep_days: float, on_forget: Callable[[Job], None] = lambda _job: None
    ) -> None:
        """`on_forget` is called with each job that is about to be dropped since it is too old or one too many."""
        self._path = path
        self._on_forget = on_forget
        self._keep_count = keep_count
        self._keep_days = keep_days
        self._index: dict[str, Entry] = {}
        self._by_content: dict[str, str] = {}
        self._lines = 0
        self.totals = {State.COMPLETED: 0, State.FAILED: 0, State.CANCELLED: 0}
        self._file = self._open()
        clear_temporary(path)
        self._load()

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._index

    def append(self, job: Job, clock: float) -> None:
        """Remember a finished job, which ended at `clock` of the service's clock; durable when this returns."""
        self._write({"job": job.record(), "clock": clock})
        if self._lines > SLACK * self._keep_count + 16:
            # The job is remembered by now: a full disk must not turn that into a failure.
            with contextlib.suppress(OSError):
                self.fold(clock)

    def remove(self, job_id: str) -> None:
        """Forget a job."""
        if job_id in self._index:
            self._write({"removed": job_id})

    def get(self, job_id: str) -> Job | None:
        """The job, read from the file."""
        entry = self._index.get(job_id)
        return self._read(entry) if entry else None

    def newest(self, limit: int, states: Iterable[State] = tuple(State)) -> list[Job]:
        """The newest `limit` jobs in one of `states`, newest first."""
        wanted, found = frozenset(states), list[Job]()
        for entry in reversed(self._index.values()):
            if len(found) == limit:
                break
            if entry.state in wanted and (job := self._read(entry)) is not None:
                found.append(job)
        return found

    def finished_before(self, moment: float) -> Iterator[Job]:
        """Every job that ended before `moment` of the service's clock, oldest first."""
        for entry in list(self._index.values()):
            if entry.clock < moment and (job := self._read(entry)) is not None:
                yield job

    def with_content(self, sha256: str) -> Job | None:
        """The last completed job whose source had this content."""
        return self.get(self._by_content.get(sha256, ""))

    def fold(self, now: float) -> None:
        """Drop what retention says at `now` of the service's clock, and the lines of removed jobs."""
        oldest = now - self._keep_days * 86400 if self._keep_days else -float("inf")
        kept = [entry for entry in self._index.values() if entry.clock >= oldest][-self._keep_count :]
        if self._lines == len(kept):
            return
        staying = {entry.offset for entry in kept}
        for entry in list(self._index.values()):
            if entry.offset not in staying and (job := self._read(entry)) is not None:
                self._on_forget(job)
        data = b"".join(os.pread(self._file, entry.length, entry.offset) for entry in kept)
        write_durably(self._path, data)
        os.close(self._file)
        self._file = self._open()
        self._load()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _open(self) -> int:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be opened: {error.strerror}.") from error
        sync_folder(self._path.parent)
        return descriptor

    def _load(self) -> None:
        self._index.clear()
        self._by_content.clear()
        self.totals = dict.fromkeys(self.totals, 0)
        self._end = self._lines = damaged = 0
        with self._path.open("rb") as file:
            for line in file:
                # The torn end of a write that was never acknowledged; the job is still in the job store.
                if not line.endswith(b"\n"):
                    break
                try:
                    self._note(json.loads(line), self._end, len(line))
                except BAD_RECORD:
                    damaged += 1
                self._end += len(line)
        os.ftruncate(self._file, self._end)
        if damaged:
            log.warning("%s: %d damaged lines were passed over", self._path, damaged)

    def _note(self, record: dict[str, Any], offset: int, length: int) -> None:
        self._lines += 1
        if "removed" in record:
            self._forget(record["removed"])
            return
        job = record["job"]
        state, sha256 = State(job["state"]), job["draft"]["sha256"]
        clock = float(record.get("clock", job["completed_at"]))
        if state not in self.totals or not isinstance(sha256, str):
            raise ValueError(f"no finished job: {state}")
        # Taken out first, so that the order of the index is that of the file.
        self._forget(job["id"])
        self._index[job["id"]] = Entry(offset, length, state, clock, sha256)
        self.totals[state] += 1
        if state is State.COMPLETED:
            self._by_content[sha256] = job["id"]

    def _forget(self, job_id: str) -> None:
        entry = self._index.pop(job_id, None)
        if entry is None:
            return
        self.totals[entry.state] -= 1
        if self._by_content.get(entry.sha256) == job_id:
            del self._by_content[entry.sha256]

    def _write(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"
        try:
            if os.pwrite(self._file, line, self._end) != len(line):
                raise OSError(28, "No space left on device", str(self._path))
            os.fdatasync(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise
        self._note(record, self._end, len(line))
        self._end += len(line)

    def _read(self, entry: Entry) -> Job | None:
        line = os.pread(self._file, entry.length, entry.offset)
        try:
            return Job.from_record(json.loads(line)["job"])
        except BAD_RECORD:
            log.exception("%s: a damaged line at byte %d", self._path, entry.offset)
            return None
