"""Who this daemon is, for what it shares with others: its name in the work folder, and locks on folders."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
from pathlib import Path

from daemon.store.files import clear_temporary, write_durably

log = logging.getLogger(__name__)
# Some network file systems have no locks, or none on folders: then there is nothing to tell two daemons apart by.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF)


def owner_of(state: Path) -> str:
    """The name of the daemon with this state folder, made at its first start: 16 hex digits."""
    file = state / "owner"
    clear_temporary(file)
    try:
        name = file.read_text("ascii").strip()
        if len(name) == 16 and set(name) <= set("0123456789abcdef"):
            return name
        log.warning("%s does not hold a name; a new one is made", file)
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        log.warning("%s cannot be read (%s); a new name is made", file, error)
    name = secrets.token_hex(8)
    try:
        write_durably(file, f"{name}\n".encode("ascii"))
    except OSError as error:
        log.warning("%s cannot be written: %s", file, error.strerror)
    return name


def lock_folder(folder: Path) -> int | None:
    """Lock a folder for as long as the descriptor is open; None if another process has it.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return descriptor
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor
