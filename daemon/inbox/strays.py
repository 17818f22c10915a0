"""Clears what a crash left between two halves of a move: files half written, and small files whose source has gone on.

Only what is surely ours is touched: names that nobody else gives, and companions of a file that was put aside.
"""

from __future__ import annotations

import contextlib
import logging
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePath

from daemon.inbox.beside import error_name, write_reason
from daemon.inbox.scan import DONE, ERROR_SUFFIX, FAILED, MAX_DEPTH, ignored
from daemon.inbox.sidecar import SIDECARS
from daemon.store.safe_folder import SafeFolder, folder_below, is_leftover

log = logging.getLogger(__name__)
# How earlier versions called a reason while they wrote it.
_HALF_REASON = re.compile(r"\..+\.(error|note)\.txt\.[a-z0-9_]{8}\.tmp")
INTERRUPTED = "The service ended while this file was put aside; its log says why it was."


def clear_strays(root: Path) -> None:
    """Clear the inbox and its `_done` and `_failed`; what cannot be read or written now is left for the next start."""
    for relative in _folders(root):
        with contextlib.suppress(OSError), folder_below(root, relative) as folder:
            names = set(folder.names())
            for name in names:
                if is_leftover(name) or _HALF_REASON.fullmatch(name):
                    log.info("inbox: removing %s, which a crash left half written", folder.path / name)
                    folder.remove(name)
            if relative.parts[:1] not in ((DONE,), (FAILED,)):
                _bring_after(root, folder, relative, names)


def _folders(root: Path) -> Iterator[PurePath]:
    ways = [PurePath()]
    while ways:
        way = ways.pop()
        yield way
        if len(way.parts) > MAX_DEPTH:
            continue
        with contextlib.suppress(OSError), folder_below(root, way) as folder:
            for name in folder.names():
                status = None if ignored(name) else folder.status(name)
                if status is not None and stat.S_ISDIR(status.st_mode):
                    ways.append(way / name)


def _bring_after(root: Path, folder: SafeFolder, relative: PurePath, names: set[str]) -> None:
    """Move companions to where their source was put aside."""
    # Sidecars first: a reason in its place says that all others are.
    for name in sorted(names, key=lambda name: (name.endswith(ERROR_SUFFIX), name)):
        suffix = next((each for each in (ERROR_SUFFIX, *SIDECARS) if name.endswith(each)), None)
        source = name.removesuffix(suffix) if suffix else ""
        # A source that is here may be a new one of the same name: then they are its own.
        if not suffix or not source or source in names:
            continue
        with contextlib.suppress(OSError), folder_below(root, PurePath(FAILED) / relative) as shelf:
            # The reason is written last, so a file without one was put aside by half.
            if shelf.status(source) is None or shelf.status(error_name(source)) is not None:
                continue
            log.info("inbox: moving %s to its source in %s, which a crash prevented", name, FAILED)
            folder.move(name, shelf, error_name(source) if suffix == ERROR_SUFFIX else name)
            if f"{source}{ERROR_SUFFIX}" not in names:
                write_reason(shelf, source, INTERRUPTED)
