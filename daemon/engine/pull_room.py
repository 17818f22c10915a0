"""Whether there is room for a model on the disk that it would be fetched to."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from seedvr2.catalogue.places import home
from seedvr2.catalogue.registry import PublishedFile
from seedvr2.units import gigabytes

SPARE_BYTES = 64 << 20
_UNITS = {"GB": 2**30, "MB": 2**20}


def no_room_for(entry: PublishedFile, folders: Sequence[Path]) -> str:
    """Why it would not fit, as a sentence; empty if it does. What is there of it already is counted.

    Args:
        folders: of the models; it goes to the first that can be written to.
    """
    folder = home(folders)
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    parts = sum(part.stat().st_size for part in there.glob(f".{entry.name}.*.part")) if there == folder else 0
    needed = (entry.bytes or _bytes_of(entry.size)) - parts + SPARE_BYTES
    free = shutil.disk_usage(there).free
    if needed <= free:
        return ""
    return (
        f"{entry.name} needs {gigabytes(needed)}, but the disk of the models has {gigabytes(free)} free; make "
        "room, or choose a smaller model."
    )


def _bytes_of(size: str) -> int:
    found = re.fullmatch(r"([\d.]+)([GM]B)", size)
    return int(float(found[1]) * _UNITS[found[2]]) if found else 0
