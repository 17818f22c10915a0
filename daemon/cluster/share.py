"""Whether a place sees the service's folders, and where: a mark that the service leaves there is read back.

A folder may be mounted elsewhere on another machine. What is at the same path there need not be the same folder, so no
path is believed: the mark has to say what the service wrote.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from daemon.errors import ClusterError
from daemon.store.files import write_durably

MARK = ".seedvr2d-share"
# Of a machine's processes: the mappings that `join --path` was given.
VARIABLE = "SEEDVR2D_PATHS"
_NONCE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class PathMapping:
    """A folder as the service calls it, and as it is called here."""

    there: PurePosixPath
    here: Path

    @classmethod
    def parse(cls, text: str) -> PathMapping:
        """Of `A=B`. Raises ClusterError."""
        there, equals, here = text.partition("=")
        if not equals or not there.startswith("/") or not here.startswith("/"):
            raise ClusterError(
                f"--path takes two whole paths, the daemon's and the one here: /srv/a=/mnt/a, not {text!r:.200}."
            )
        return cls(PurePosixPath(there), Path(here))


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark that was left: the folder, as the service calls it, and what the file says. JSON can carry both."""

    folder: str
    nonce: str


def leave_mark(folder: Path) -> Mark:
    """Leave a mark in a folder of the service, or find the one that is there. Raises OSError."""
    file = folder / MARK
    try:
        nonce = file.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        nonce = ""
    if not _NONCE.fullmatch(nonce):
        nonce = secrets.token_hex(16)
        write_durably(file, f"{nonce}\n".encode("ascii"))
    return Mark(str(folder), nonce)


def here(path: str | PurePosixPath, mappings: Iterable[PathMapping]) -> Path:
    """A path of the service as it is called here; the mapping of the longest folder counts."""
    asked = PurePosixPath(path)
    fitting = [each for each in mappings if asked.is_relative_to(each.there)]
    if not fitting:
        return Path(asked)
    best = max(fitting, key=lambda each: len(each.there.parts))
    return best.here / asked.relative_to(best.there)


def is_shared(mark: Mark, mappings: Iterable[PathMapping], *, writable: bool = False) -> bool:
    """Whether the folder of a mark is the same one here, and with `writable` may be written to."""
    folder = here(mark.folder, mappings)
    try:
        with (folder / MARK).open("rb") as file:
            found = file.read(len(mark.nonce) + 2).strip()
    except OSError:
        return False
    return found == mark.nonce.encode("ascii") and (not writable or os.access(folder, os.W_OK | os.X_OK))


def as_variable(mappings: Sequence[PathMapping]) -> str:
    """Mappings as the value of `VARIABLE`."""
    return json.dumps([[str(each.there), str(each.here)] for each in mappings])


def mappings_of(environment: Mapping[str, str]) -> tuple[PathMapping, ...]:
    """The mappings of this machine; none where nobody has said any."""
    text = environment.get(VARIABLE, "")
    return tuple(PathMapping(PurePosixPath(there), Path(here)) for there, here in json.loads(text)) if text else ()
