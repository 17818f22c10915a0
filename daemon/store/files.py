"""The few file operations that must be right: durable writes, moves that never overwrite, names that fit."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)
NAME_BYTES = 255
# Characters that mkstemp puts between prefix and suffix.
_RANDOM = 8
# link() is refused so on file systems without hard links (exFAT, many network shares).
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)
# What a disk answers that can be neither read nor written any more.
_FAILING = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESTALE, errno.EREMOTEIO, errno.ESHUTDOWN)


def write_durably(path: Path, data: bytes, *, keep: Path | None = None, sync: bool = True) -> None:
    """Replace `path` whole: after a crash it holds the old bytes or the new ones. `keep` gets the old ones.

    Without `sync` it may be the old ones for some seconds.
    """
    prefix, suffix = _temporary_name(path)
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_UMASK)
        if keep is not None and path.exists():
            _keep_copy(path, keep)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def clear_temporary(path: Path) -> None:
    """Remove what `write_durably` left beside `path` when a crash ended it. Nobody else may be writing it."""
    prefix, suffix = _temporary_name(path)
    try:
        for entry in path.parent.iterdir():
            name = entry.name
            if name.startswith(prefix) and name.endswith(suffix) and len(name) == len(prefix) + _RANDOM + len(suffix):
                log.info("removing %s, which a crash left behind", entry)
                entry.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s cannot be tidied: %s", path.parent, error.strerror)


def _temporary_name(path: Path) -> tuple[str, str]:
    return f".{path.name[:100]}.", ".tmp"


def _keep_copy(path: Path, keep: Path) -> None:
    link = keep.with_name(f".{keep.name}.tmp")
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(path, link)
    link.replace(keep)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network file systems cannot sync a directory; they order renames themselves.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def probe_disk(folder: Path) -> None:
    """Ask the disk itself whether it still answers: one that fails still shows what was read from it before.

    Raises:
        OSError: it fails, or the folder is not there.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Not every file system can sync a folder, and one that is read-only need not.
        if error.errno in _FAILING:
            raise
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Bring the contents of a file to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def place(source: Path, target: Path) -> None:
    """Rename `source` to `target` on the same file system; never overwrites.

    Raises:
        FileExistsError: `target` is there already.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS or isinstance(error, FileExistsError):
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        source.rename(target)
    else:
        source.unlink()
    sync_folder(target.parent)


def move_aside(source: Path, folder: Path, name: str | None = None) -> Path:
    """Move `source` into `folder` (made if need be), under the first free name; across file systems too."""
    folder.mkdir(parents=True, exist_ok=True)
    for candidate in free_names(name or source.name):
        target = folder / candidate
        try:
            place(source, target)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            if os.path.lexists(target):
                continue
            shutil.move(source, target)
        return target
    raise AssertionError("free_names never ends")


def is_gone(path: Path) -> bool:
    """Whether there surely is nothing at `path`: a folder that may not be read for a moment tells nothing."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        # No file has a null byte in its name, as a damaged record may.
        return True
    except OSError:
        return False
    return False


def free_names(name: str, limit: int = NAME_BYTES) -> Iterator[str]:
    """`clip.mp4`, `clip (2).mp4`, `clip (3).mp4`…, each at most `limit` bytes."""
    stem, suffix = split(name)
    yield cut(stem, suffix, limit)
    number = 2
    while True:
        yield cut(stem, f" ({number}){suffix}", limit)
        number += 1


def cut(stem: str, suffix: str, limit: int = NAME_BYTES) -> str:
    """`stem + suffix`, the stem shortened at a character so that the whole is at most `limit` bytes."""
    room = max(limit - len(os.fsencode(suffix)), 1)
    raw = os.fsencode(stem)
    if len(raw) <= room:
        return stem + suffix
    # "ignore" drops the character that the cut went through; names are UTF-8 or close to it.
    return raw[:room].decode("utf-8", "ignore") + suffix


def split(name: str) -> tuple[str, str]:
    """Stem and suffix; what follows the last dot of `Mr. Long Title` is too long to be a suffix."""
    stem, suffix = Path(name).stem, Path(name).suffix
    return (stem, suffix) if len(suffix) <= 16 else (name, "")


def clean_name(raw: str, fallback: str = "upload") -> str:
    """A safe file name from what a client sent: base name, NFC, no control characters, not hidden."""
    name = raw.replace("\\", "/").rsplit("/", 1)[-1]
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    name = "".join("_" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char for char in name)
    name = name.strip().lstrip(".") or fallback
    return cut(*split(name))


def probe_writable(folder: Path) -> None:
    """Write a small file in `folder` and remove it.

    Raises:
        OSError: as the disk says.
    """
    # Always the same name: what a crash leaves is taken over by the next one.
    path = folder / ".seedvr2d.probe.tmp"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        # A page and a half: a disk may be full that still has room for a name.
        os.write(descriptor, bytes(6144))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def free_bytes(folder: Path) -> int:
    """Bytes that an ordinary user may still write there."""
    return shutil.disk_usage(folder).free


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# Read once at import, while there is one thread: reading it means changing it for a moment.
_UMASK = _umask()
