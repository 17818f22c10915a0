"""Opens what lies below a folder without following a link anywhere on the way.

Whoever may write into a watched folder may put a symbolic link in the place of any part of a path, at any moment. So a
path is walked from its root, each part is opened as what it is, and what is done afterwards is done through open
descriptors: a swap in between changes nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from seedvr2.errors import MediaError

# In the state folder: where `held` makes its paths.
DESK = "reading"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe or a device in a file's place must neither be waited for nor taken as a terminal.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class LinkError(OSError):
    """A part of a path is a symbolic link, or is not what it has to be."""


class SwappedError(MediaError):
    """What lies at a path is not what was taken there: a link, or another version of the file."""


@dataclass(frozen=True, slots=True)
class Held:
    """A file that is held open, and a path to exactly this file for those who open by path."""

    descriptor: int
    path: Path


def open_folder(root: Path, relative: PurePath | str = "", *, make: bool = False) -> int:
    """A descriptor of a folder below `root`; `root` itself may be a link, nothing below may.

    Raises:
        LinkError: a part of the way is a link. OSError: it cannot be opened, or made.
    """
    descriptor, way = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), root
    try:
        for part in PurePath(relative).parts:
            way = way / part
            inner = _enter(descriptor, part, way, make)
            os.close(descriptor)
            descriptor = inner
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_file(root: Path, path: Path) -> int:
    """A descriptor, to read, of a regular file below `root`.

    Raises:
        LinkError: it is a link, lies behind one, or is no regular file. OSError: it cannot be opened.
    """
    relative = below(root, path)
    folder = open_folder(root, relative.parent)
    try:
        descriptor = os.open(relative.name, _FILE, dir_fd=folder)
    except OSError as error:
        raise _explained(error, folder, relative.name, path) from None
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LinkError(errno.ELOOP, "it is not a regular file", str(path))
    return descriptor


def open_unchanged(root: Path, path: Path, known: tuple[int, ...]) -> int:
    """A descriptor of the version of a file that has the fingerprint `known`; an empty one fits every version.

    Raises:
        SwappedError: it is a link, lies behind one, or is another version. OSError: it cannot be opened.
    """
    try:
        descriptor = open_file(root, path)
    except LinkError as error:
        what = f"{Path(error.filename).name}: {error.strerror}"
        raise SwappedError(f"{path.name} is not read ({what}). Put the file itself there.") from error
    if known and not same_content(fingerprint(os.fstat(descriptor)), known):
        os.close(descriptor)
        raise SwappedError(f"{path.name} was replaced after it was taken; the new one is a new task.")
    return descriptor


@contextlib.contextmanager
def held(root: Path, path: Path, known: tuple[int, ...], desk: Path) -> Iterator[Held]:
    """Hold a version of a file open, with a path under which others read just that, by the file's own name.

    Args:
        root, path, known: as for `open_unchanged`, whose errors it raises.
        desk: a folder of our own, made if need be, in which the path is made for as long as this lasts.
    """
    descriptor = open_unchanged(root, path, known)
    # By the process's number, so that a child process finds it too.
    direct = Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    place: Path | None = None
    try:
        try:
            desk.mkdir(exist_ok=True)
            place = Path(tempfile.mkdtemp(dir=desk))
            named = place / path.name
            named.symlink_to(direct)
        except OSError:
            # A full disk, or one without links: messages lose the file's name, nothing else is lost.
            named = direct
        yield Held(descriptor, named)
    finally:
        os.close(descriptor)
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)


def below(root: Path, path: Path) -> PurePath:
    """`path` relative to `root`.

    Raises:
        LinkError: it does not lie below.
    """
    if not path.is_relative_to(root):
        raise LinkError(errno.ELOOP, "it lies outside the folder", str(path))
    return path.relative_to(root)


def fingerprint(status: os.stat_result) -> tuple[int, int, int]:
    """What tells one version of a file from another: inode, size, mtime in ns."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def same_content(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two fingerprints of a path are of the same version.

    Inodes of network shares may change, and synchronisers put an unchanged file in place anew.
    """
    return one[1:] == other[1:]


def _enter(folder: int, part: str, way: Path, make: bool) -> int:
    if part == "..":
        raise LinkError(errno.ELOOP, "it leads out of the folder", str(way))
    try:
        return os.open(part, _FOLDER, dir_fd=folder)
    except FileNotFoundError as error:
        if not make:
            raise _explained(error, folder, part, way) from None
    except OSError as error:
        raise _explained(error, folder, part, way) from None
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, dir_fd=folder)
        # Some network file systems cannot sync a directory; they order changes themselves.
        with contextlib.suppress(OSError):
            os.fsync(folder)
        return os.open(part, _FOLDER, dir_fd=folder)
    except OSError as error:
        raise _explained(error, folder, part, way) from None


def _explained(error: OSError, folder: int, name: str, way: Path) -> OSError:
    # With O_DIRECTORY the kernel calls a link "not a directory".
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        with contextlib.suppress(OSError):
            if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                return LinkError(errno.ELOOP, "it is a symbolic link", str(way))
    return OSError(error.errno, error.strerror, str(way))
