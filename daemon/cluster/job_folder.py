"""The folder of a job's segments, as the service keeps it: no place but this one renames a file there or notes it.

It is the folder that the engine makes by itself (`seedvr2/segments/folder.py`), so that a job goes on whether the
cluster is on or off. The plan stays JSON here: reading it takes an engine.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from daemon.store.files import write_durably
from seedvr2.catalogue.hashes import sha256_of
from seedvr2.segments.handing_over import PLAN, RETRIED
from seedvr2.segments.journal import Journal


class NotWholeError(Exception):
    """What a place left is not what it said."""


class JobFolder:
    """Such a folder, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        """Raises OSError: what is there cannot be read."""
        self.path = path
        self.journal = Journal(path)
        self._plan: dict[str, Any] | None = None

    @property
    def frames_done(self) -> int:
        """Of finished segments."""
        return sum(done.frames for done in self.journal.done.values())

    @property
    def made_by(self) -> tuple[str, ...]:
        """The kinds of GPU and the machines that made them."""
        return tuple(sorted({done.by for done in self.journal.done.values() if done.by}))

    def kept(self) -> dict[str, Any] | None:
        """What there is already, for whoever plans the job; None if there is nothing."""
        try:
            plan = json.loads((self.path / PLAN).read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        retried = (self.path / RETRIED).exists()
        return {"plan": plan, "frames": self.frames_done, "retried": retried, "too_large": False}

    def follow(self, plan: Mapping[str, Any], *, goes_on: bool, on_step: Callable[[], None]) -> list[int]:
        """Follow a plan; answers which segments are missing.

        Args:
            goes_on: with the finished segments that are there, which are looked at; others are removed.
            on_step: called before each look at a file; may raise.

        Raises:
            OSError: the disk refuses.
        """
        self.path.mkdir(exist_ok=True)
        frames = [int(segment["stop"]) - int(segment["start"]) for segment in plan["segments"]]
        if not goes_on:
            # The plan goes first: segments without one are nobody's, and with another one they would be wrong.
            (self.path / PLAN).unlink(missing_ok=True)
            for entry in self.path.iterdir():
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            self.journal = Journal(self.path)
        write_durably(self.path / PLAN, json.dumps(plan).encode("ascii"))
        (self.path / RETRIED).unlink(missing_ok=True)
        self.journal.verify(frames, on_step)
        self._plan = dict(plan)
        return [index for index in range(len(frames)) if index not in self.journal.done]

    def target(self, index: int, attempt: str) -> Path:
        """Where an attempt at a segment leaves it."""
        return self.path / f"seg-{index:05d}.{attempt}"

    def take(self, index: int, attempt: str, made: Mapping[str, Any], by: str) -> None:
        """Take over what an attempt left; a second one of the same segment is removed.

        Raises:
            NotWholeError: it is not what was said; the segment has to be made again.
            OSError: the disk refuses.
        """
        assert self._plan is not None
        left, segment = self.target(index, attempt), self._plan["segments"][index]
        if index in self.journal.done:
            left.unlink(missing_ok=True)
            return
        try:
            whole = left.stat().st_size == made["bytes"] and sha256_of(left) == made["sha256"]
        except FileNotFoundError:
            raise NotWholeError(f"segment {index} is not where it was made") from None
        if not whole or made["frames"] != int(segment["stop"]) - int(segment["start"]):
            left.unlink(missing_ok=True)
            raise NotWholeError(f"segment {index} is not what was said of it")
        left.replace(self.journal.part(index))
        warnings = tuple(str(text) for text in made["warnings"])
        self.journal.add(index, int(made["frames"]), float(made["seconds"]), warnings, by)
