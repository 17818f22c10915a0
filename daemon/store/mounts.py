"""Which mount a folder is on, whether or not the folder is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo: where it is mounted, what kind of file system, and from which device or share."""

    point: str
    kind: str = ""
    source: str = ""


def mount_of(folder: Path, mountinfo: Path = MOUNTINFO) -> Mount:
    """The mount that holds `folder`, or would; the root if that is not known."""
    wanted, best = folder.absolute(), Mount("/")
    try:
        lines = mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return best
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(rest) < 2:
            continue
        point = _unescaped(fields[4])
        # A later line of the same point hides the earlier one.
        if wanted.is_relative_to(point) and len(Path(point).parts) >= len(Path(best.point).parts):
            best = Mount(point, rest[0], _unescaped(rest[1]))
    return best


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
