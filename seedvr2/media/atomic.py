"""A file that appears whole or not at all, and never in place of another one."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from seedvr2.errors import MediaError
from seedvr2.media.failures import writing
from seedvr2.publishing import sync_folder, take_free_name

_NAME_MAX = 255


class PartFile:
    """A hidden file beside its target, `.NAME.part`, that `publish` gives its final name.

    A crash leaves it behind; the next try for the same target takes it over. Two writers of one target at a time are
    told apart by a lock, which the system drops when a process ends.
    """

    def __init__(self, target: Path) -> None:
        """Create the file.

        Raises:
            MediaError: the target exists, is being written by somebody else, or its folder cannot be written.
        """
        self.target = target
        self.path = target.parent / _part_name(target.name)
        with writing(target.name):
            if os.path.lexists(target):
                raise MediaError(_exists(target))
            self._fd = self._lock()

    def publish(self) -> None:
        """Bring the data to disk and give the file its name.

        Raises:
            MediaError: a file of that name has appeared meanwhile, or the disk is full. The part is gone then.
        """
        try:
            with writing(self.target.name):
                # Through a descriptor of our own: fsync is per file, whoever wrote it.
                os.fsync(self._fd)
                try:
                    take_free_name(self.path, self.target)
                except FileExistsError as error:
                    raise MediaError(_exists(self.target)) from error
                sync_folder(self.target.parent)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what was not published. May be called at any time, and more than once."""
        if self._fd < 0:
            return
        with suppress(OSError):
            self.path.unlink()
        os.close(self._fd)
        self._fd = -1

    def _lock(self) -> int:
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    os.close(fd)
                    raise MediaError(f"{self.target.name} is being written already; wait for that to end.") from error
                # A file system without locks: the name alone must do.
            with suppress(FileNotFoundError):
                # Between opening and locking, another writer may have published this very file.
                if os.path.samestat(os.fstat(fd), self.path.stat()):
                    os.ftruncate(fd, 0)
                    return fd
            os.close(fd)


def _part_name(name: str) -> str:
    room = _NAME_MAX - len("..part")
    stored = os.fsencode(name)
    if len(stored) > room:
        # A character that is cut in two goes altogether: some disks take whole ones only.
        stored = stored[:room].decode(errors="ignore").encode()
    return f".{os.fsdecode(stored)}.part"


def _exists(target: Path) -> str:
    return f"{target.name} exists already; move it away or choose another name."
