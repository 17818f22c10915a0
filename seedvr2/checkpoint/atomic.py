"""Files that appear whole or not at all: written beside their place, flushed to the disk, then moved there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from seedvr2.publishing import sync_folder, take_free_name


@contextlib.contextmanager
def written_whole(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A hidden path beside `target` to write to; it becomes `target` when the block ends well and goes when not.

    Raises:
        FileExistsError: `target` exists, unless `overwrite`; also when it appeared during the block.
    """
    if target.exists() and not overwrite:
        raise FileExistsError(target)
    part = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    try:
        yield part
        publish(part, target, overwrite=overwrite)
    finally:
        part.unlink(missing_ok=True)


def publish(part: Path, target: Path, *, overwrite: bool = False) -> None:
    """Flush `part` to the disk and move it to `target` on the same file system.

    Raises:
        FileExistsError: `target` exists, unless `overwrite`.
    """
    with part.open("rb") as file:
        os.fsync(file.fileno())
    if overwrite:
        part.replace(target)
    else:
        take_free_name(part, target)
        part.unlink(missing_ok=True)
    sync_folder(target.parent)
