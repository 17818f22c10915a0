"""Wakes the inbox when something changes in it: inotify through watchdog, or nothing where that cannot work.

Events are hints. They can be lost (overflow, network shares, a folder that was replaced), so they carry no data:
they only set a flag, and the scan finds out what there is.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from daemon.inbox.scan import DONE, FAILED

log = logging.getLogger(__name__)
EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]
# inotify only sees changes made on this machine.
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "vboxsf", "drvfs", "ceph", "glusterfs", "afs")


class Watcher:
    """Sets `wake` when the folder changes. `polling` says that it cannot, so that the caller looks often itself."""

    def __init__(self, folder: Path, mode: str, wake: threading.Event) -> None:
        self._folder = folder
        self._mode = mode
        self._wake = wake
        self._observer: BaseObserver | None = None
        self.polling = mode == "poll" or (mode == "auto" and on_network(folder))

    def start(self) -> None:
        """Begin to watch; falls back to polling where the system refuses."""
        if self.polling or self._mode == "off":
            return
        observer = Observer()
        try:
            observer.schedule(
                _Handler(self._wake, self._folder), str(self._folder), recursive=True, event_filter=EVENTS
            )
            observer.start()
        except OSError as error:
            self.polling = True
            log.warning(
                "inbox: watching failed (%s), so it is looked at every few seconds. If the limit of watches is "
                "reached, raise fs.inotify.max_user_watches or max_user_instances.",
                error.strerror or error,
            )
            return
        self._observer = observer

    def stop(self) -> None:
        """End the watch."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()

    def revive(self) -> None:
        """Begin again if the watch has died, as it does when the folder is replaced."""
        observer = self._observer
        if observer is None or (observer.is_alive() and all(each.is_alive() for each in observer.emitters)):
            return
        log.warning("inbox: the watch has ended; watching again")
        self.stop()
        self.start()


class _Handler(FileSystemEventHandler):
    def __init__(self, wake: threading.Event, folder: Path) -> None:
        self._wake = wake
        self._ours = tuple(f"{folder}/{name}" for name in (DONE, FAILED))

    def on_any_event(self, event: FileSystemEvent) -> None:
        # What we put away ourselves is no news.
        if not os.fsdecode(event.src_path).startswith(self._ours):
            self._wake.set()


def on_network(folder: Path) -> bool:
    """Whether the folder lies on a file system that other machines can change."""
    return is_network(filesystem_of(folder))


def is_network(kind: str) -> bool:
    """Whether a file system of this type is shared: `nfs4`, `cifs`, `fuse.sshfs`…"""
    return kind in NETWORK or kind.startswith("fuse.")


def filesystem_of(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """The type of the file system that holds `folder`; empty if that is not known."""
    resolved, best, kind = folder.resolve(), -1, ""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = Path(fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        # A later line of the same mount point hides the earlier one.
        if resolved.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind
