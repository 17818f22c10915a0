"""Wakes the inbox when something changes in it: inotify through watchdog, or nothing where that cannot work.

Events are hints. They can be lost (overflow, network shares, a folder that was replaced), so they carry no data:
they only set a flag, and the scan finds out what there is.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
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
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import CallbackId, InotifyEvent, InotifyFD, Mask, WatchCallback, WatchDescriptor

from daemon.inbox.names import DONE, FAILED
from daemon.store.mounts import MOUNTINFO, mount_of

log = logging.getLogger(__name__)
EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]
# What the system says when there are too many watches, instances or open files.
LIMITS = (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
# When a watch that was refused is tried again: soon, then each time after twice as long.
AGAIN_S, LONGEST_S = 15.0, 300.0
# inotify only sees changes made on this machine.
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "vboxsf", "drvfs", "ceph", "glusterfs", "afs")


class Watcher:
    """Sets `wake` when the folder changes. `problem` says why it does not see every change, if so."""

    def __init__(self, folder: Path, mode: str, wake: threading.Event) -> None:
        self._folder = folder
        self._wake = wake
        self._inotify: _Inotify | None = None
        self._observer: BaseObserver | None = None
        self._polls = mode == "poll" or (mode == "auto" and on_network(folder))
        self._watches = mode != "off" and not self._polls
        self._again_at, self._refusals = 0.0, 0
        self.problem = ""

    @property
    def polling(self) -> bool:
        """Whether the caller has to look often itself."""
        return self._polls or bool(self.problem)

    def start(self) -> None:
        """Begin to watch; falls back to polling where the system refuses."""
        if not self._watches:
            return
        self._again_at = time.monotonic() + min(AGAIN_S * 2**self._refusals, LONGEST_S)
        refused: Exception | None
        try:
            refused = self._watch()
        except (OSError, RuntimeError) as error:
            self.stop()
            refused = error
        self._refusals = min(self._refusals + 1, 30) if refused is not None else 0
        self._tell(refused)

    def stop(self) -> None:
        """End the watch."""
        observer, self._observer = self._observer, None
        inotify, self._inotify = self._inotify, None
        for thread in (observer, inotify):
            if thread is not None and thread.ident is not None:
                thread.stop()
                thread.join()

    def revive(self) -> None:
        """Begin again if the watch has died, as it does when the folder is replaced, or has seen too little so far."""
        if not self._watches:
            return
        if self._inotify is not None and self._inotify.refused is not None:
            self._tell(self._inotify.refused)
        if self.problem:
            if time.monotonic() < self._again_at:
                return
        elif self._is_alive():
            return
        else:
            log.warning("inbox: the watch has ended; watching again")
        self.stop()
        self.start()

    def _watch(self) -> Exception | None:
        """Begin; answers what was refused for some folder inside."""
        inotify = self._inotify = _Inotify()
        inotify.start()
        observer = self._observer = BaseObserver(InotifyEmitter, inotify_fd=inotify)
        handler = _Handler(self._wake, self._folder)
        observer.schedule(handler, str(self._folder), recursive=True, event_filter=EVENTS)
        observer.start()
        return inotify.refused

    def _is_alive(self) -> bool:
        if self._inotify is None or self._observer is None:
            return False
        return all(each.is_alive() for each in (self._inotify, self._observer, *self._observer.emitters))

    def _tell(self, refused: Exception | None) -> None:
        problem = _sentence(refused) if refused is not None else ""
        if problem != self.problem:
            log.warning("inbox: %s", problem or "every change is seen again")
        self.problem = problem


class _Inotify(InotifyFD):
    """Notes what watchdog passes over in silence: folders that it could not watch."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: Exception | None = None

    def add_callback(self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId) -> WatchDescriptor:
        try:
            return super().add_callback(path, mask, callback, id_)
        except OSError as error:
            # A folder that is gone again, or too deep for the scan as well, is no loss.
            if error.errno in LIMITS:
                self.refused = error
            raise

    def handle_event(self, event: InotifyEvent) -> None:
        try:
            super().handle_event(event)
        except (OSError, RuntimeError) as error:
            # It would end the thread: folders nested without end exhaust the recursion of `os.walk`.
            self.refused = error


def _sentence(refused: Exception) -> str:
    if isinstance(refused, RecursionError):
        return "The inbox is looked at every few seconds instead of watched: folders in it are nested too deep."
    return (
        f"The inbox is looked at every few seconds instead of watched ({getattr(refused, 'strerror', '') or refused}). "
        "Raise fs.inotify.max_user_watches or fs.inotify.max_user_instances."
    )


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


def filesystem_of(folder: Path, mounts: Path = MOUNTINFO) -> str:
    """The type of the file system that holds `folder`; empty if that is not known."""
    return mount_of(folder.resolve(), mounts).kind
