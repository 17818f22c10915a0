"""The folders of the service: made, checked and locked at the start, before anything in them is believed or touched."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from daemon.errors import ConfigError, StoreError
from daemon.inbox.shelves import check_service_folders
from daemon.settings.config import Config
from daemon.store import uploads
from daemon.store.disks import Disks
from daemon.store.job_store import JobStore
from daemon.store.owner import lock_folder

log = logging.getLogger(__name__)
DISKS_FILE = "disks.json"


@dataclass(slots=True)
class Folders:
    """What `open_folders` found.

    Attributes:
        uploads: where files go that are sent. all_uploads: also where they went with other settings.
        disks: whether the disk of each folder is there.
    """

    config: Config
    uploads: Path
    disks: Disks
    locks: list[int] = field(default_factory=list)

    @property
    def all_uploads(self) -> tuple[Path, ...]:
        """Every folder in which a file can lie that was sent."""
        return (self.uploads, *_own_uploads(self.config))

    def settle(self, store: JobStore) -> None:
        """Make what is missing, as far as nothing waits for it, and put the uploads in order.

        Raises:
            ServiceError: a folder cannot be made, is somebody else's, or is used by another daemon.
        """
        self._make("inbox", self.config.paths.inbox, needed=_needed(store, self.config.paths.inbox))
        self._make("outputs", self.config.paths.outputs, needed=bool(store.open_jobs()))
        self._make("uploads", self.uploads, needed=_needed(store, self.uploads))
        _refuse_same(self.config, self.uploads)
        self._lock(self.config.paths.inbox, "paths.inbox")
        check_service_folders(self.config.paths.inbox)
        if self.disks.missing("uploads", needed=_needed(store, self.uploads)) or not self.uploads.is_dir():
            return
        try:
            if self.uploads not in _own_uploads(self.config):
                uploads.admit(self.uploads)
                self._lock(self.uploads, "paths.uploads")
            uploads.tidy(self.uploads, store)
        except OSError as error:
            log.error("the uploads folder cannot be put in order: %s", error)

    def check_inbox(self) -> None:
        """Raises OSError while the disk of the inbox is not there."""
        reason = self.disks.missing("inbox", needed=True)
        if reason:
            raise OSError(None, reason)

    def close(self) -> None:
        """Let others have them."""
        for lock in self.locks:
            os.close(lock)
        self.locks.clear()

    def _make(self, name: str, folder: Path, *, needed: bool) -> None:
        try:
            self.disks.make(name, needed=needed)
        except OSError as error:
            raise ConfigError(f"The folder {folder} cannot be made: {error.strerror}.") from error

    def _lock(self, folder: Path, key: str) -> None:
        try:
            lock = lock_folder(folder)
        except OSError as error:
            log.warning("%s cannot be locked: %s", folder, error.strerror)
            return
        if lock is None:
            raise StoreError(f"Another seedvr2d uses {folder}. End it, or give this one another {key}.")
        self.locks.append(lock)


def open_folders(config: Config) -> Folders:
    """The folders that the configuration names; makes that of the state, and nothing else yet.

    Raises:
        ServiceError: it cannot be made.
    """
    paths = config.paths
    try:
        paths.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The folder {paths.state} cannot be made: {error.strerror}.") from error
    disks = Disks(paths.state / DISKS_FILE, {"inbox": paths.inbox, "outputs": paths.outputs})
    folder = choose_uploads(config, disks)
    disks.add("uploads", folder)
    return Folders(config, folder, disks)


def choose_uploads(config: Config, disks: Disks) -> Path:
    """Where uploads go: as configured, else in `state`, or in the inbox where that is on another disk.

    Media files belong on the disk that was chosen for media files; a state folder may be on a small one.
    """
    if config.paths.uploads != Path():
        return config.paths.uploads
    in_state, in_inbox = _own_uploads(config)
    former = disks.remembered("uploads")
    if disks.missing("inbox", needed=True) or not config.paths.inbox.exists():
        # Nobody can tell now on which disk the inbox will be.
        return former if former in (in_state, in_inbox) else in_state
    return in_state if config.paths.state.stat().st_dev == config.paths.inbox.stat().st_dev else in_inbox


def _own_uploads(config: Config) -> tuple[Path, Path]:
    return config.paths.state / "uploads", config.paths.inbox / ".uploads"


def _needed(store: JobStore, folder: Path) -> bool:
    return any(Path(job.draft.source).is_relative_to(folder) for job in store.open_jobs())


def _refuse_same(config: Config, folder: Path) -> None:
    """Two names for one folder, which only the disk knows: a bind mount, a link on the way."""
    paths = config.paths
    named = {"inbox": paths.inbox, "outputs": paths.outputs, "state": paths.state}
    named |= {"models": paths.models[0]}
    seen: dict[tuple[int, int], str] = {}
    for name, path in {**named, "uploads": folder}.items():
        try:
            status = path.stat()
        except OSError:
            continue
        other = seen.setdefault((status.st_dev, status.st_ino), name)
        if other != name:
            raise ConfigError(f"paths.{name} ({path}) is the same folder as paths.{other}. Give each its own.")
