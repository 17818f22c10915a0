"""The small files beside a source: which there are, and the text that says why it was not made."""

from __future__ import annotations

import logging
from pathlib import Path

from daemon.inbox.names import ERROR_SUFFIX
from daemon.store.safe_folder import SafeFolder, folder_below
from daemon.store.safe_open import below

log = logging.getLogger(__name__)


def error_name(folder: SafeFolder, name: str) -> str:
    """What the reason of a failure of the file called `name` is called in `folder`."""
    return folder.name_beside(name, ERROR_SUFFIX)


def write_reason(folder: SafeFolder, name: str, reason: str) -> None:
    """Put a readable reason beside a file; rewriting the same one changes nothing."""
    text = (reason.strip() + "\n").encode("utf-8", "replace")
    beside = error_name(folder, name)
    if folder.read(beside, len(text) + 1) != text:
        folder.write(beside, text)


def tell_beside(root: Path, path: Path, reason: str) -> None:
    """Put a reason beside a file below `root`, or take it away if it is empty, as far as the folder allows."""
    try:
        with folder_below(root, below(root, path).parent) as folder:
            if reason:
                write_reason(folder, path.name, reason)
            else:
                folder.remove(error_name(folder, path.name))
    except OSError as error:
        log.warning("inbox: %s: the reason beside it cannot be changed: %s", path.name, error.strerror)
