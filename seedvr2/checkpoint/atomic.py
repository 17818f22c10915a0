"""Files that appear whole or not at all: written beside their place, flushed to the disk, then moved there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


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
    _sync(part)
    if overwrite:
        part.replace(target)
    else:
        _move_to_free_name(part, target)
    _sync(target.parent)


def _move_to_free_name(part: Path, target: Path) -> None:
    try:
        # A hard link, unlike a rename, fails where the name is taken, with no moment in between.
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # exFAT and some network file systems have no hard links
        target.touch(exist_ok=False)
        part.replace(target)
    else:
        part.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
