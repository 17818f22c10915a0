"""Which segments are done: one line each, on the disk before anybody counts on it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from seedvr2.catalogue.hashes import sha256_of
from seedvr2.publishing import sync_folder

log = logging.getLogger(__name__)
NAME = "units.jsonl"


@dataclass(frozen=True, slots=True)
class Done:
    """A finished segment: its number, frames, and what its file holds.

    `seconds` it took to make, and `warnings` came up meanwhile. `by`: the kind of GPU and the machine; empty: this one.
    """

    index: int
    frames: int
    bytes: int
    sha256: str
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    by: str = ""


class Journal:
    """The finished segments of a job, in a folder of its own beside their files."""

    def __init__(self, folder: Path) -> None:
        """Reads what is there. A line that a crash tore is a segment that has to be made again.

        Raises:
            OSError: it cannot be read.
        """
        self._folder = folder
        self._path = folder / NAME
        self._done: dict[int, Done] = {}
        self._torn = False
        if self._path.exists():
            content = self._path.read_bytes()
            self._torn = bool(content) and not content.endswith(b"\n")
            for line in content.splitlines():
                done = _parse(line)
                if done is not None:
                    self._done[done.index] = done

    @property
    def done(self) -> dict[int, Done]:
        """The finished segments by their numbers."""
        return dict(self._done)

    def file(self, index: int) -> Path:
        """Where the frames of a segment are, once it is done."""
        return self._folder / f"seg-{index:05d}.packets"

    def part(self, index: int) -> Path:
        """Where a segment is while it is made."""
        return self._folder / f"seg-{index:05d}.part"

    def add(self, index: int, frames: int, seconds: float = 0.0, warnings: tuple[str, ...] = (), by: str = "") -> Done:
        """Take over the finished `part` of a segment: its bytes first, then its name, then the line.

        Raises:
            OSError: the disk refuses. The segment then counts as not made.
        """
        part, file = self.part(index), self.file(index)
        with part.open("rb") as opened:
            os.fsync(opened.fileno())
        done = Done(index, frames, part.stat().st_size, sha256_of(part), seconds, warnings, by)
        part.replace(file)
        sync_folder(self._folder)
        line = json.dumps(asdict(done), separators=(",", ":")).encode("ascii") + b"\n"
        with self._path.open("ab", buffering=0) as journal:
            end = journal.tell()
            try:
                # A torn line must not swallow this one.
                _write_all(journal.fileno(), b"\n" + line if self._torn else line)
                os.fsync(journal.fileno())
            except OSError:
                # Half a line is no line, but the next one would be appended to it.
                self._torn = True
                os.ftruncate(journal.fileno(), end)
                raise
        self._torn = False
        sync_folder(self._folder)
        self._done[index] = done
        return done

    def verify(self, frames: Sequence[int], on_step: Callable[[], None] = lambda: None) -> None:
        """Forget the segments whose files are not what was written, and remove what is unfinished or unknown.

        Args:
            frames: how many each segment is to have. on_step: called before each look at a file; may raise.

        Raises:
            OSError: the disk refuses to be read.
        """
        for index, done in list(self._done.items()):
            on_step()
            file = self.file(index)
            planned = 0 <= index < len(frames) and done.frames == frames[index]
            if not planned or not is_whole(file, done):
                log.warning("segment %d is not what was written; it is made again", index)
                del self._done[index]
        kept = {self.file(index) for index in self._done}
        for file in self._folder.glob("seg-*"):
            if file not in kept:
                file.unlink(missing_ok=True)


def is_whole(file: Path, done: Done) -> bool:
    """Whether the file of a segment is there and holds what was written. Raises OSError."""
    return file.is_file() and done.bytes == file.stat().st_size and sha256_of(file) == done.sha256


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _parse(line: bytes) -> Done | None:
    try:
        return parse_done(json.loads(line))
    except (ValueError, RecursionError):
        return None


def parse_done(values: Any) -> Done | None:
    """What `asdict` gave, of a JSON value; None if that is something else."""
    try:
        done = Done(**{"by": "", **{field.name: values[field.name] for field in fields(Done) if field.name in values}})
        warnings = tuple(str(warning) for warning in done.warnings)
        counts = int(done.index), int(done.frames), int(done.bytes)
        return Done(*counts, str(done.sha256), float(done.seconds), warnings, str(done.by))
    except (ValueError, TypeError, KeyError):
        return None
