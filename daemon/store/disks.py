"""Remembers on which disks the folders were, so that one that is not mounted is not taken for one that was emptied.

A disk that is missing leaves its mount point behind: an empty folder, or none. Whoever takes that for the truth loses
the queue, and writes results where nobody looks for them. What was seen last is in `disks.json` of the state folder;
a folder whose disk is missing is named with the reason until the disk is there.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from daemon.jobs.job import BAD_RECORD
from daemon.store.files import clear_temporary, write_durably
from daemon.store.mounts import MOUNTINFO, Mount, mount_of

log = logging.getLogger(__name__)
# Their number comes with the file system; that of others depends on the device, or there is none.
_NUMBERED = ("ext2", "ext3", "ext4", "btrfs", "tmpfs")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a folder was: its path, the mount that held it, and the number of that file system."""

    path: str
    point: str
    kind: str
    source: str
    fsid: int

    def is_now(self, mount: Mount, fsid: int) -> bool:
        """Whether the same disk is mounted at the same point. It may come back under another name: sdb1, then sdc1."""
        if (self.point, self.kind) != (mount.point, mount.kind):
            return False
        return self.fsid == fsid or (self.source == mount.source and self.kind not in _NUMBERED)

    def is_reached_otherwise(self, fsid: int) -> bool:
        """Whether it is the same file system after all, without the bind mount that led there, or with one."""
        return self.kind in _NUMBERED and self.fsid == fsid


class Disks:
    """The folders of the service by name, and whether the disk of each is there. Thread-safe.

    Args:
        file: what is remembered, `disks.json`.
        folders: by the names that the reasons call them.
    """

    def __init__(self, file: Path, folders: Mapping[str, Path], mountinfo: Path = MOUNTINFO) -> None:
        self._file = file
        self._folders = dict(folders)
        self._mountinfo = mountinfo
        self._lock = threading.Lock()
        clear_temporary(file)
        self._places = _remembered(file)

    def remembered(self, name: str) -> Path | None:
        """The path that the folder called `name` had, if it was ever seen."""
        place = self._places.get(name)
        return Path(place.path) if place else None

    def add(self, name: str, folder: Path) -> None:
        """Watch over one more folder."""
        self._folders[name] = folder

    def folder(self, name: str) -> Path:
        """The folder called `name`."""
        return self._folders[name]

    def holds(self, path: str) -> str:
        """The name of the folder that `path` lies in; empty if in none of them."""
        found = [name for name, folder in self._folders.items() if Path(path).is_relative_to(folder)]
        return max(found, key=lambda name: len(self._folders[name].parts), default="")

    def make(self, name: str, *, needed: bool) -> None:
        """Make the folder if it is not there, unless its disk is missing, or it was there and somebody needs it.

        Raises:
            OSError: it cannot be made.
        """
        folder = self._folders[name]
        if self.missing(name, needed=needed):
            return
        folder.mkdir(parents=True, exist_ok=True)
        self.missing(name, needed=needed)

    def missing(self, name: str, *, needed: bool = False) -> str:
        """Why the folder called `name` cannot be used now; empty if it is there, and remembered as it is now.

        Args:
            needed: tasks wait for it; then another folder or disk is not taken for the one that was.
        """
        folder = self._folders[name]
        with self._lock:
            place = self._places.get(name)
            if place is not None and place.path != str(folder):
                place = None
            mount = mount_of(folder, self._mountinfo)
            try:
                fsid = _fsid(folder)
            except OSError as error:
                return _why(name, place, mount, error, needed=needed)
            if place is not None and not place.is_now(mount, fsid) and not place.is_reached_otherwise(fsid):
                if len(mount.point) < len(place.point):
                    return f"the disk of the {name} folder is not mounted (it was at {place.point})"
                if needed:
                    return f"another disk is mounted in the {name}'s place"
            self._remember(name, Place(str(folder), mount.point, mount.kind, mount.source, fsid))
            return ""

    def _remember(self, name: str, place: Place) -> None:
        if self._places.get(name) == place:
            return
        if name in self._places:
            log.info("the %s folder is now on %s at %s", name, place.source or place.kind, place.point)
        self._places[name] = place
        text = json.dumps({each: asdict(known) for each, known in self._places.items()}, indent=1)
        try:
            write_durably(self._file, os.fsencode(text))
        except OSError as error:
            log.warning("%s cannot be written: %s", self._file, error.strerror)


def _fsid(folder: Path) -> int:
    return os.statvfs(folder).f_fsid


def _why(name: str, place: Place | None, mount: Mount, error: OSError, *, needed: bool) -> str:
    """What to say of a folder that cannot be looked at; nothing of one that may be made."""
    if place is not None and len(mount.point) < len(place.point):
        return f"the disk of the {name} folder is not mounted (it was at {place.point})"
    if not isinstance(error, FileNotFoundError):
        return f"the {name} folder cannot be used: {error.strerror}"
    return f"the {name} folder is not there any more, and tasks need its files" if needed else ""


def _place(noted: Mapping[str, Any]) -> Place:
    place = Place(**noted)
    texts = (place.path, place.point, place.kind, place.source)
    if not all(isinstance(each, str) for each in texts) or not isinstance(place.fsid, int):
        raise TypeError(f"{noted!r:.80} is no place")
    return place


def _remembered(file: Path) -> dict[str, Place]:
    try:
        noted = json.loads(file.read_bytes())
        return {str(name): _place(place) for name, place in noted.items()}
    except FileNotFoundError:
        return {}
    except (OSError, *BAD_RECORD) as error:
        log.warning("%s cannot be read (%s); the disks are taken as they are", file, error)
        return {}
