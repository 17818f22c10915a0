"""Folders for Ray's sockets and logs: short paths, for this user alone, and removed once nobody alive has them.

Ray lets everybody write into the folder that it is given (`try_make_directory_shared` in its `_common/utils.py`), and
who can enter there can speak to its sockets. So it lies in another, which Ray leaves alone and others cannot enter.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from daemon.errors import ClusterError
from daemon.store.owner import lock_folder

log = logging.getLogger(__name__)
PREFIX = "seedvr2d-"
# Only a folder with it was made here; it is there once the folder is locked.
MARK = ".seedvr2d-ray"
RAYS = "ray"
# Ray puts `session_…/sockets/plasma_store` behind it, and a socket's path has 107 bytes.
_LONGEST_FOLDER = 40


@contextlib.contextmanager
def made_folder() -> Iterator[Path]:
    """A folder for Ray, as long as the block lasts. Raises OSError: it cannot be made."""
    _remove_dead()
    while True:
        outer = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_base()))
        # Somebody who looks for dead ones may hold it for a moment.
        if (lock := lock_folder(outer)) is not None:
            break
    try:
        (outer / MARK).touch()
        inner = outer / RAYS
        inner.mkdir()
        yield inner
    finally:
        shutil.rmtree(outer, ignore_errors=True)
        os.close(lock)


def member_folder(port: int) -> Path:
    """The folder for Ray of a machine that joins, the same each time. Raises ClusterError."""
    name = f"s2d-{os.geteuid()}-{port}"
    folder = _short(Path(os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or tempfile.gettempdir()), name)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _is_private(folder):
            raise ClusterError(f"{folder}, for Ray's sockets, is not a folder for this user alone; move it away.")
        (folder / RAYS).mkdir(exist_ok=True)
    except OSError as error:
        raise ClusterError(f"{folder}, for Ray's sockets, cannot be made: {error.strerror}.") from error
    return folder / RAYS


@contextlib.contextmanager
def held_member_folder(folder: Path) -> Iterator[None]:
    """Have what `member_folder` answered for oneself; what one that ended has left there is removed before and after.

    Raises:
        ClusterError: another process has it.
    """
    try:
        lock = lock_folder(folder.parent)
    except OSError as error:
        raise ClusterError(f"{folder.parent}, for Ray's sockets, cannot be opened: {error.strerror}.") from error
    if lock is None:
        raise ClusterError("This machine takes part already: another `seedvr2d join` runs here.")
    try:
        _empty(folder)
        yield
        _empty(folder)
    finally:
        os.close(lock)


def _base() -> Path:
    """Where folders are made; `mkdtemp` puts eight letters behind the prefix."""
    return _short(Path(tempfile.gettempdir()), f"{PREFIX}{'x' * 8}").parent


def _short(base: Path, name: str) -> Path:
    """The folder of that name in `base`, or in /tmp where Ray's paths would be too long."""
    return (base if len(os.fsencode(base / name / RAYS)) <= _LONGEST_FOLDER else Path("/tmp")) / name


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)


def _remove_dead() -> None:
    """Remove the folders of services that were killed before they could."""
    for folder in _base().glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if not _is_private(folder):
                continue
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                # Held by a process that lives, or where there are no locks: it stays.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (folder / MARK).exists():
                    log.info("%s, of a service that was killed, is removed", folder)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def _is_private(folder: Path) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
