"""The last step of a file that appears whole or not at all: it takes its name, never that of another one."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def take_free_name(part: Path, target: Path) -> None:
    """Give the finished file `part` the name `target` in the same folder.

    Raises:
        FileExistsError: there is such a file. `part` may or may not keep its old name as well.
    """
    try:
        # A hard link, unlike a rename, fails where the name is taken, with no moment in between.
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:
        # No hard links here (exFAT, some network file systems): reserve the name, then move over the reservation.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC))
        try:
            part.replace(target)
        except BaseException:
            target.unlink()
            raise


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder, and need no sync of it.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
