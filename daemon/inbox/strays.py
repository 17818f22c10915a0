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
from daemon.inbox.family import bring_after, following
from daemon.inbox.names import DONE, FAILED, ignored, is_companion
from daemon.inbox.scan import MAX_DEPTH
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
                    # What cannot be removed keeps nothing else from being cleared.
                    with contextlib.suppress(OSError):
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
    with folder_below(root, PurePath(FAILED) / relative) as shelf:
        aside = shelf.names()
        for source in sorted(aside):
            # The reason is written last, so a file without one was put aside by half. One that is here again may be
            # a new one: then they are its own.
            if is_companion(source) or source in names or error_name(shelf, source) in aside:
                continue
            with contextlib.suppress(OSError):
                _complete(folder, shelf, source, names)


def _complete(folder: SafeFolder, shelf: SafeFolder, source: str, names: set[str]) -> None:
    companions, reason = following(folder, source), error_name(folder, source)
    if not companions and reason not in names:
        return
    log.info("inbox: moving what belongs to %s after it to %s, which a crash prevented", source, FAILED)
    bring_after(folder, source, shelf, source, companions)
    if reason in names:
        folder.move(reason, shelf)
    else:
        write_reason(shelf, source, INTERRUPTED)
