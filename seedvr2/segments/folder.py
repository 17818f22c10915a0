"""The folder in which the segments of one job wait: its plan, what is known of its shots, and the journal."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

from seedvr2.errors import MediaError
from seedvr2.segments.frozen import FrozenPlan, SourceMark, read_plan, write_plan
from seedvr2.segments.handing_over import PLAN, RETRIED
from seedvr2.segments.journal import Journal
from seedvr2.segments.shots import Scan

_SCAN, _LOCK, _RESULT = "scan.json", "lock", "result.json"
_NAME_MAX = 255


class SegmentFolder:
    """Such a folder, locked: two runs of one job at a time would write into each other's files."""

    def __init__(self, path: Path, name: str) -> None:
        """Makes the folder where there is none. `name`: of the result, for messages.

        Raises:
            MediaError: another process works in it. OSError: the disk refuses.
        """
        self.path = path
        path.mkdir(exist_ok=True)
        self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Others are file systems without locks.
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                self.release()
                raise MediaError(f"{name} is being written already; wait for that to end.") from error
        self.journal = Journal(path)

    def plan(self) -> FrozenPlan | None:
        """The plan that is being followed here, if there is one. Raises OSError."""
        return read_plan(self.path)

    def begin(self, plan: FrozenPlan) -> None:
        """Forget the segments of any former plan and follow this one. Raises OSError."""
        # The plan goes first: segments without a plan are nobody's, a plan with those of another one would be wrong.
        self.forget_plan()
        for entry in self.path.iterdir():
            if entry.name not in (_LOCK, _SCAN):
                entry.unlink()
        self.journal = Journal(self.path)
        write_plan(self.path, plan)

    @property
    def retried(self) -> bool:
        """Whether it was handed over to a retry, which has not begun yet."""
        return (self.path / RETRIED).exists()

    def follow(self, plan: FrozenPlan) -> None:
        """Go on with the segments that are there, by that plan. Raises OSError."""
        if plan != self.plan():
            write_plan(self.path, plan)
        (self.path / RETRIED).unlink(missing_ok=True)

    def forget_plan(self) -> None:
        """Follow none. Raises OSError."""
        (self.path / PLAN).unlink(missing_ok=True)

    def scan(self, source: SourceMark) -> Scan:
        """What an earlier run found out about the shots of that source. Raises OSError."""
        try:
            noted = json.loads((self.path / _SCAN).read_bytes())
            if noted["source"] != asdict(source):
                return Scan()
            return Scan(int(noted["frames"]), tuple(int(shot) for shot in noted["shots"]))
        except FileNotFoundError:
            return Scan()
        except (ValueError, TypeError, KeyError, RecursionError):
            return Scan()

    def note_scan(self, source: SourceMark, scan: Scan) -> None:
        """Note what is known so far; it is found out again where it is lost. Raises OSError."""
        part = self.path / f"{_SCAN}.part"
        known = {"source": asdict(source), "frames": scan.frames, "shots": list(scan.shots)}
        part.write_text(json.dumps(known), encoding="ascii")
        part.replace(self.path / _SCAN)

    def note_result(self, part: Path) -> None:
        """Note what the result is, which is about to take its name. Raises OSError."""
        (self.path / _RESULT).write_text(json.dumps(asdict(SourceMark.of(part))), encoding="ascii")

    def is_result(self, file: Path) -> bool:
        """Whether a file is the result that was noted."""
        try:
            noted = json.loads((self.path / _RESULT).read_bytes())
            return bool(noted == asdict(SourceMark.of(file)))
        except (OSError, ValueError, RecursionError):
            return False

    def release(self) -> None:
        """Let others have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def remove(self) -> None:
        """Delete it with all that is in it, as far as the disk lets us."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()


def remove_leftovers(target: Path) -> None:
    """Remove the segments beside a result that is whole, which a process that was killed just then left; no others."""
    if not target.is_file() or not folder_beside(target).is_dir():
        return
    try:
        folder = SegmentFolder(folder_beside(target), target.name)
    except (MediaError, OSError):
        return
    if folder.is_result(target):
        folder.remove()
    folder.release()


def folder_beside(target: Path) -> Path:
    """Where the segments of a result wait if nobody names a place: hidden, beside it."""
    room = _NAME_MAX - len("..segments")
    stored = os.fsencode(target.name)
    if len(stored) > room:
        stored = stored[:room].decode(errors="ignore").encode()
    return target.parent / f".{os.fsdecode(stored)}.segments"
