"""A segment that was made by itself: its file, and beside it the record that a join believes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from seedvr2.catalogue.hashes import sha256_of
from seedvr2.media.atomic import PartFile
from seedvr2.media.failures import writing
from seedvr2.segments.journal import Done, is_whole, parse_done


class Flaw(StrEnum):
    """Why there is no segment to be joined."""

    MISSING = "missing"
    DAMAGED = "damaged"
    FOREIGN = "of another plan or without its record"


@dataclass(frozen=True, slots=True)
class Unit:
    """Where a segment is, once it is made.

    Attributes:
        index: its number. path: of its file. plan: the fingerprint of the plan that it belongs to.
    """

    index: int
    path: Path
    plan: str

    @property
    def record(self) -> Path:
        """The file beside it that says what it holds."""
        return self.path.with_name(f"{self.path.name}.json")

    def find(self) -> Done | Flaw:
        """What there is of it. Raises OSError."""
        if not os.path.lexists(self.path):
            return Flaw.MISSING
        done = self._recorded()
        if done is None:
            return Flaw.FOREIGN
        return done if is_whole(self.path, done) else Flaw.DAMAGED

    def _recorded(self) -> Done | None:
        try:
            values = json.loads(self.record.read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        done = parse_done(values)
        return done if done and values.get("plan") == self.plan and done.index == self.index else None


def unit_in(folder: Path, index: int, plan: str) -> Unit:
    """A segment in a folder of them, which names it: `seg-00007`."""
    return Unit(index, folder / f"seg-{index:05d}", plan)


class UnitWriter:
    """Makes such files, one after the other; a journal for `SegmentRecorder`.

    Attributes:
        done: what was made so far, by number.
    """

    def __init__(self, units: Mapping[int, Unit]) -> None:
        """`units`: where each one is to be, by its number."""
        self.done: dict[int, Done] = {}
        self._units = units
        self._part: PartFile | None = None

    def part(self, index: int) -> Path:
        """Where a segment is while it is made.

        Raises:
            MediaError: it is there already, or somebody else makes it. MachineError: the disk refuses.
        """
        self.release()
        self._part = PartFile(self._units[index].path)
        return self._part.path

    def add(self, index: int, frames: int, seconds: float = 0.0, warnings: tuple[str, ...] = ()) -> Done:
        """Record the finished `part` of a segment, and give it its name.

        Raises:
            MediaError: there is such a file by now. MachineError: the disk refuses.
        """
        part, unit = self._part, self._units[index]
        assert part is not None
        with writing(unit.path.name):
            done = Done(index, frames, part.path.stat().st_size, sha256_of(part.path), seconds, warnings)
            # First the record: a file without one is nobody's, and is never removed.
            _write(unit.record, json.dumps({"plan": unit.plan, **asdict(done)}, indent=1))
        part.publish()
        self.done[index] = done
        return done

    def release(self) -> None:
        """Leave nothing of what is unfinished."""
        if self._part is not None:
            self._part.discard()
            self._part = None


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
