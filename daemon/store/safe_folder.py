"""Writes, moves and removes files in a folder that is held open: whatever becomes of its path, they land in it."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path, PurePath

from daemon.store.files import cut, free_names
from daemon.store.safe_open import open_folder

# link() is refused so on file systems without hard links, and for files of others where the kernel protects them.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TEMPORARY = ".seedvr2d-"
# What eCryptfs takes, the least of all that are in use.
_NAMES_ANYWHERE = 143
# In the name of each temporary file: those of a process that has ended are nobody's.
_RUN = secrets.token_hex(8)


@contextlib.contextmanager
def folder_below(root: Path, relative: PurePath | str = "", *, make: bool = False) -> Iterator[SafeFolder]:
    """A folder below `root`, with no link on the way; `make` makes what is missing of it.

    Raises:
        LinkError: a part of the way is a link. OSError: it cannot be opened, or made.
    """
    descriptor = open_folder(root, relative, make=make)
    try:
        yield SafeFolder(descriptor, root / relative)
    finally:
        os.close(descriptor)


class SafeFolder:
    """An open folder. Names are those of its entries; no link is followed. `path` is where it was found."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path

    def status(self, name: str) -> os.stat_result | None:
        """What an entry is; None if there is none."""
        try:
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            # A name that is too long for the disk is the name of no file.
            if error.errno == errno.ENAMETOOLONG:
                return None
            raise

    def name_beside(self, name: str, suffix: str) -> str:
        """`name + suffix`, shortened where this folder takes no name so long: encrypted ones take fewer bytes."""
        whole = cut(name, suffix)
        try:
            os.stat(whole, dir_fd=self._descriptor, follow_symlinks=False)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return cut(name, suffix, _NAMES_ANYWHERE)
        return whole

    def names(self) -> list[str]:
        """All entries."""
        with os.scandir(self._descriptor) as listing:
            return [entry.name for entry in listing]

    def remove(self, name: str) -> bool:
        """Remove a file, or the link itself; False if there is none."""
        if self.status(name) is None:
            return False
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)
        return True

    def read(self, name: str, limit: int) -> bytes | None:
        """At most `limit` bytes of a regular file; None if it is anything else, or not there."""
        status = self.status(name)
        if status is None or not stat.S_ISREG(status.st_mode):
            return None
        descriptor = self._open(name)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(limit)

    def write(self, name: str, data: bytes) -> None:
        """Put a file in place whole and durably; an earlier one, or a link, is replaced."""
        temporary = self._temporary()
        try:
            with os.fdopen(os.open(temporary, _NEW, 0o666, dir_fd=self._descriptor), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except BaseException:
            self._discard(temporary)
            raise
        self.sync()

    def move(self, name: str, target: SafeFolder, wanted: str | None = None) -> str:
        """Move an entry into `target` under the first free name, across file systems too; answers that name."""
        source = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        for candidate in free_names(wanted or name):
            there = target.status(candidate)
            if there is not None and os.path.samestat(there, source) and target.path != self.path:
                # A crash came between the two halves of an earlier move.
                os.unlink(name, dir_fd=self._descriptor)
            elif there is not None or not self._place(name, target, candidate):
                continue
            target.sync()
            return candidate
        raise AssertionError("free_names never ends")

    def sync(self) -> None:
        """Make renames in it survive a power cut."""
        # Some network file systems cannot sync a directory; they order renames themselves.
        with contextlib.suppress(OSError):
            os.fsync(self._descriptor)

    def _place(self, name: str, target: SafeFolder, candidate: str) -> bool:
        """Move to a name that is free; False if it no longer is."""
        ends = {"src_dir_fd": self._descriptor, "dst_dir_fd": target._descriptor}
        try:
            os.link(name, candidate, **ends, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno == errno.EXDEV:
                return self._copy(name, target, candidate)
            if error.errno not in _NO_LINKS:
                raise
            return self._rename(name, target, candidate)
        try:
            os.unlink(name, dir_fd=self._descriptor)
        except OSError:
            # A folder of somebody else keeps its entries: then nothing was moved.
            os.unlink(candidate, dir_fd=target._descriptor)
            raise
        return True

    def _rename(self, name: str, target: SafeFolder, candidate: str) -> bool:
        # rename() overwrites, so it gets a name that was free and is ours: an empty file in its place.
        try:
            os.close(os.open(candidate, _NEW, 0o666, dir_fd=target._descriptor))
        except FileExistsError:
            return False
        try:
            os.rename(name, candidate, src_dir_fd=self._descriptor, dst_dir_fd=target._descriptor)
        except OSError as error:
            os.unlink(candidate, dir_fd=target._descriptor)
            if error.errno == errno.EXDEV:
                return self._copy(name, target, candidate)
            raise
        return True

    def _copy(self, name: str, target: SafeFolder, candidate: str) -> bool:
        temporary = target._temporary()
        try:
            with os.fdopen(self._open(name), "rb") as source:
                status = os.fstat(source.fileno())
                with os.fdopen(os.open(temporary, _NEW, 0o666, dir_fd=target._descriptor), "wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                    copy.flush()
                    # Not every file system lets times be set; the content is what counts.
                    with contextlib.suppress(OSError):
                        os.utime(copy.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
                    os.fsync(copy.fileno())
            if not target._place(temporary, target, candidate):
                return False
            try:
                os.unlink(name, dir_fd=self._descriptor)
            except OSError:
                os.unlink(candidate, dir_fd=target._descriptor)
                raise
            return True
        finally:
            target._discard(temporary)

    def _open(self, name: str) -> int:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._descriptor)

    def _temporary(self) -> str:
        return f"{_TEMPORARY}{_RUN}-{secrets.token_hex(4)}.tmp"

    def _discard(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._descriptor)


def is_leftover(name: str) -> bool:
    """Whether a file of this name was being written by a run of the service that has ended."""
    ours = name.startswith(_TEMPORARY) and name.endswith(".tmp")
    return ours and not name.startswith(f"{_TEMPORARY}{_RUN}-")
