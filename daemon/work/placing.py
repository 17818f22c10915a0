"""Puts one finished file under a name that its disk takes: on the same disk or another, never over another file."""

from __future__ import annotations

import errno
import filecmp
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from daemon.store.files import cut, place, split, sync_file

# What a disk says of a name: NTFS and exFAT of `?` and `:`, eCryptfs and EncFS of 164 bytes, ZFS of no UTF-8. Some
# network shares call a name that they do not take a file that does not exist.
NAME_ERRORS = (errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ, errno.ENOENT)
# What is wrong with one folder while the disk is well: a file in its place, somebody else's, a link in a circle, one to
# a disk that takes no file of that size.
FOLDER_ERRORS = (
    errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOENT, errno.EFBIG,
)  # fmt: skip
# Encrypted names leave 143 bytes on eCryptfs, about 175 on EncFS; the shortest are for what we have not met.
LIMITS = (143, 96, 48)
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def candidates(outputs: Path, target: Path, job_id: str) -> Iterator[Path]:
    """Other names for `target`, each easier to take than the one before: cleaned, shortened, the job's id."""
    parts = target.relative_to(outputs).parts
    cleaned = [clean_for_any_disk(part) for part in parts]
    seen = {target}
    for names in (cleaned, *([_shortened(name, limit) for name in cleaned] for limit in LIMITS)):
        candidate = outputs.joinpath(*names)
        if candidate not in seen:
            seen.add(candidate)
            yield candidate
    folder = [_shortened(name, LIMITS[-1]) for name in cleaned[:-1]]
    yield outputs.joinpath(*folder, job_id + target.suffix)


def clean_for_any_disk(name: str) -> str:
    """`Trip: day 1?.jpg` -> `Trip_ day 1_.jpg`: what Windows' rules allow is allowed everywhere."""
    cleaned = _FORBIDDEN.sub("_", os.fsencode(name).decode("utf-8", "replace")).rstrip(" .") or "_"
    return f"_{cleaned}" if _DEVICES.match(cleaned) else cleaned


def make_parent(target: Path) -> None:
    """Make the folder of `target`.

    Raises:
        NotADirectoryError: a file has its name. OSError: as the disk says.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target.parent)) from error


def put(hidden: Path, target: Path, job_id: str) -> None:
    """Give the whole file `hidden` the name `target`; by a copy where that is another disk.

    Raises:
        FileExistsError: another file has that name.
        OSError: the disk refuses; `hidden` is as it was.
    """
    try:
        place(hidden, target)
    except FileExistsError:
        # A crash may have come after the file got its name, before `hidden` went.
        if not (target.is_file() and _same(hidden, target)):
            raise
        hidden.unlink()
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(hidden, target, job_id)


def _copy(hidden: Path, target: Path, job_id: str) -> None:
    part = target.with_name(f".{job_id}.part")
    try:
        part.unlink(missing_ok=True)
        shutil.copyfile(hidden, part)
        sync_file(part)
        place(part, target)
    finally:
        part.unlink(missing_ok=True)
    hidden.unlink()


def _same(hidden: Path, target: Path) -> bool:
    if target.samefile(hidden):
        return True
    # A copy is another file; on one disk only a link would be the same.
    return target.stat().st_dev != hidden.stat().st_dev and filecmp.cmp(hidden, target, shallow=False)


def _shortened(name: str, limit: int) -> str:
    return cut(*split(name), limit)
