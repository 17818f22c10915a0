"""Where unfinished results are: `outputs/.work/OWNER/JOB/`, on the disk that they will stay on.

Several daemons may share `outputs`, one for each GPU. Each works in a folder of its own name and holds a lock on it;
what lies in those of others is theirs.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from daemon.errors import StoreError
from daemon.jobs.job import Job, Result
from daemon.store.files import write_durably
from daemon.store.owner import lock_folder
from seedvr2.errors import MachineError
from seedvr2.segments.handing_over import hand_over
from seedvr2.segments.journal import Journal

log = logging.getLogger(__name__)
WORK = ".work"
STEM = "result"
SEGMENTS = "segments"
_NOTE, _REACHED = "result.json", "reached"


class WorkFolder:
    """The work folder of this daemon. What is one job's is used by one thread at a time, but for `forget`.

    Args:
        missing: why the disk of `outputs` is not there; empty if it is.
    """

    def __init__(self, outputs: Path, owner: str, missing: Callable[[], str] = str) -> None:
        self._missing = missing
        self.root = outputs / WORK / owner
        self._shared = outputs / WORK
        self._lock: int | None = None
        self._kept: dict[str, int] = {}
        # Between the moments when the folder of all is there and when something is in it.
        self._making = threading.RLock()

    @property
    def kept_bytes(self) -> int:
        """What the finished segments of failed jobs take of the disk. For any thread."""
        return sum(list(self._kept.values()))

    def of(self, job_id: str) -> Path:
        """Where the unfinished result of a job is."""
        return self.root / job_id

    def claim(self) -> None:
        """Make the folder and lock it, once.

        Raises:
            OSError: the disk refuses.
            StoreError: another daemon goes by the same name.
        """
        # Never the folder of the results itself: where that is missing, its disk may be.
        self._shared.mkdir(exist_ok=True)
        self.root.mkdir(exist_ok=True)
        if self._lock is None:
            self._lock = lock_folder(self.root)
            if self._lock is None:
                raise StoreError(
                    f"Another seedvr2d works in {self.root}: its state folder is a copy of this one's, or the other "
                    "way round. End it, or delete the file 'owner' in one of the two."
                )

    def segments(self, job_id: str) -> Path:
        """Where the engine keeps the finished segments of a job, from one start to the next."""
        return self.of(job_id) / SEGMENTS

    def fresh(self, job_id: str) -> Path:
        """A folder for a job that begins, with nothing in it but its finished segments. Raises OSError."""
        self.clear(job_id)
        with self._making:
            self._make(job_id)
        return self.of(job_id)

    def _make(self, job_id: str) -> None:
        """The folder of a job, on the disk that it belongs to. Raises OSError, MachineError."""
        locked = self._lock is not None
        self.claim()
        self.of(job_id).mkdir(exist_ok=True)
        # Asked afterwards: a disk that goes between the question and the folder would leave it on another one, and all
        # that is written into it. In a folder that is not there, nothing is.
        if reason := self._missing():
            if not locked:
                self.release()
            with contextlib.suppress(OSError):
                for empty in (self.of(job_id), self.root, self._shared):
                    empty.rmdir()
            raise MachineError(f"{reason[0].upper()}{reason[1:]}.", errno.ENODEV)

    def clear(self, job_id: str) -> None:
        """Remove what a job left, but for its finished segments, with which it goes on."""
        if not self.segments(job_id).is_dir():
            self.discard(job_id)
            return
        for entry in self.of(job_id).iterdir():
            if entry.name != SEGMENTS:
                with contextlib.suppress(OSError):
                    entry.unlink()

    def keep(self, job_id: str) -> None:
        """Remove what a failed job left, but for its finished segments, with which a retry goes on."""
        if self.segments(job_id).is_dir() and self._finished_frames(job_id):
            self.clear(job_id)
            self._kept[job_id] = _bytes_in(self.segments(job_id))
        else:
            self.discard(job_id)

    def inherit(self, job_id: str, former: str) -> None:
        """Go on with the segments of a failed job, `former`, of which this one is a retry. Raises OSError."""
        if self.segments(former).is_dir() and not self.segments(job_id).is_dir():
            with self._making:
                self._make(job_id)
            hand_over(self.segments(former), self.segments(job_id))
            self.discard(former)

    def discard(self, job_id: str) -> None:
        """Remove what a job left."""
        self._kept.pop(job_id, None)
        shutil.rmtree(self.of(job_id), ignore_errors=True)
        self.leave()

    def forget(self, job_id: str) -> None:
        """Remove what was kept for a job that is not wanted any more, and does not run. For any thread."""
        self._kept.pop(job_id, None)
        # The folder of all stays: the worker may be about to use it.
        shutil.rmtree(self.of(job_id), ignore_errors=True)

    def leave(self) -> None:
        """Leave nothing behind in the users' folder while there is no work in it."""
        with self._making, contextlib.suppress(OSError):
            self.root.rmdir()
            self.release()

    def adopt(self, job_id: str) -> None:
        """Take over what an earlier version left of a job in the folder that was everybody's. Raises OSError."""
        former = self._shared / job_id
        if former.is_dir() and not former.is_symlink() and not self.of(job_id).exists():
            self.claim()
            former.rename(self.of(job_id))

    def tidy(self, waiting: set[str], failed: Callable[[str], bool] = lambda _job_id: False) -> None:
        """Remove what jobs left that are neither `waiting` nor `failed`; these keep their segments. Raises OSError."""
        self.claim()
        for entry in self.root.iterdir():
            if entry.name not in waiting and failed(entry.name):
                self.keep(entry.name)
            elif entry.name not in waiting:
                log.info("removing %s, which an interrupted task left", entry)
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                    continue
                try:
                    entry.unlink(missing_ok=True)
                except OSError as error:
                    log.warning("%s cannot be removed: %s", entry, error.strerror)
        self.leave()

    def release(self) -> None:
        """Let others have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # -- notes beside an unfinished result, for a start after a crash -------------------------------------

    def note_result(self, job_id: str, result: Result) -> None:
        """Note what the engine gave: the job's own record may be on a disk that is full just now."""
        try:
            write_durably(self.of(job_id) / _NOTE, json.dumps(asdict(result)).encode("ascii"))
        except OSError as error:
            log.warning("job %s: its result cannot be noted: %s", job_id, error.strerror)

    def noted_result(self, job: Job) -> Result | None:
        """What the engine gave, if the record does not know yet and the file is whole."""
        try:
            noted = json.loads((self.of(job.id) / _NOTE).read_bytes())
            result = Result(**noted | {name: tuple(noted.get(name, ())) for name in ("warnings", "identity", "places")})
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return result if self.hidden(job.id, result) else None

    def hidden(self, job_id: str, result: Result) -> Path | None:
        """The whole but unpublished result of a job, if there is one."""
        path = self.of(job_id) / (STEM + Path(result.path).suffix)
        return path if path.is_file() else None

    def note_reached(self, job_id: str, frames: int) -> None:
        """Note how many frames are done. Outlives the process, not a power cut; never fails.

        Of a job in segments only these count, which are on the disk: it goes on from there and nowhere else.
        """
        if self.segments(job_id).is_dir():
            return
        with contextlib.suppress(OSError):
            (self.of(job_id) / _REACHED).write_text(str(frames), encoding="ascii")

    def reached(self, job_id: str) -> int:
        """How many frames were done when the process ended."""
        if self.segments(job_id).is_dir():
            return self._finished_frames(job_id)
        try:
            return int((self.of(job_id) / _REACHED).read_text("ascii"))
        except (OSError, ValueError):
            return 0

    def _finished_frames(self, job_id: str) -> int:
        try:
            return sum(done.frames for done in Journal(self.segments(job_id)).done.values())
        except OSError:
            return 0


def _bytes_in(folder: Path) -> int:
    try:
        return sum(entry.stat().st_size for entry in folder.iterdir())
    except OSError:
        return 0
