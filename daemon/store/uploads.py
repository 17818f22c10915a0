"""The folder of files that were sent: whether it is ours, and what in it nobody waits for any more.

Each upload is in a folder of its own, `.HEX16` while it arrives and `HEX16` once a job has it. A folder that the
configuration names is only used if it is empty at first; a marker file then says whose it is. Nothing in it is removed
but an upload that never arrived whole, or one whose job says so: what is merely unknown stays.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from daemon.errors import ConfigError
from daemon.jobs.job import Job
from daemon.store.files import clear_temporary, write_durably
from daemon.store.job_store import JobStore

log = logging.getLogger(__name__)
MARKER = ".seedvr2d-uploads"
HIDDEN = "."
_OURS = re.compile(r"\.?[0-9a-f]{16}")
_TEXT = "seedvr2d keeps the files here that were sent to it. Whatever else lies here is left alone.\n"


def admit(folder: Path) -> None:
    """Mark a folder that the configuration names as one of ours.

    Raises:
        ConfigError: it is somebody else's: it is not empty, and has no marker.
        OSError: it cannot be read or written.
    """
    clear_temporary(folder / MARKER)
    names = {entry.name for entry in folder.iterdir()}
    if MARKER in names:
        return
    foreign = sorted(name for name in names if not _OURS.fullmatch(name))
    if foreign:
        raise ConfigError(
            f"paths.uploads ({folder}) holds files that are not seedvr2d's ({foreign[0]!r}). "
            "Name a folder that is empty or does not exist; nothing was touched."
        )
    write_durably(folder / MARKER, _TEXT.encode("ascii"))


def tidy(folder: Path, store: JobStore) -> None:
    """After a start: finish what a crash interrupted, remove what never arrived whole, tell of what nobody knows.

    Raises:
        OSError: the folder cannot be read.
    """
    waiting, unknown = _upload_names(store.open_jobs()), 0
    known = waiting | _upload_names(store.finished_before(float("inf")))
    for entry in sorted(folder.iterdir()):
        if not _OURS.fullmatch(entry.name) or entry.is_symlink() or not entry.is_dir():
            continue
        name = entry.name.removeprefix(HIDDEN)
        if name != entry.name:
            _settle_arrival(entry, folder / name, wanted=name in waiting)
        elif name not in known:
            unknown += 1
    if unknown:
        log.warning("%s holds %d uploads that no task knows; they are kept", folder, unknown)


def is_upload(path: Path, folders: Iterable[Path]) -> bool:
    """Whether `path`, from a job's record, is a file that was sent: in a folder of ours, by its name and its place."""
    return path.parent.parent in set(folders) and _OURS.fullmatch(path.parent.name) is not None


def remove(path: Path) -> None:
    """Remove an upload with its folder."""
    log.info("removing the upload %s", path)
    shutil.rmtree(path.parent, ignore_errors=True)


def _settle_arrival(hidden: Path, final: Path, *, wanted: bool) -> None:
    if not wanted:
        log.info("removing %s, an upload that never became a task", hidden)
        shutil.rmtree(hidden, ignore_errors=True)
        return
    try:
        # Its job was stored; the crash came before the folder got its name.
        hidden.rename(final)
    except OSError as error:
        log.error("the upload %s cannot take its name: %s", hidden, error.strerror)


def _upload_names(jobs: Iterable[Job]) -> set[str]:
    return {Path(job.draft.source).parent.name for job in jobs}
