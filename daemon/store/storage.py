"""A TinyDB storage that survives `kill -9` and power cuts, and whose writes cost the same at any size.

TinyDB hands over the whole database at each write. Rewriting a file of 50,000 jobs each time would cost a second,
so this storage finds out which documents changed and appends only those to a journal, with fsync. From time to
time the journal is folded into a new snapshot (temporary file, fsync, rename); the former snapshot stays as `.bak`
together with its journal, so that going back to it loses nothing. `reopening.py` reads them and names the files.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from tinydb.storages import Storage

from daemon.store.files import clear_temporary, sync_folder, write_durably
from daemon.store.journal import Tables, difference, encode, encode_line
from daemon.store.reopening import HEADER, SCHEMA, Layout, reopen

log = logging.getLogger(__name__)
FOLD_BYTES = 1 << 20


class JournalledStorage(Storage):  # type: ignore[misc] # TinyDB is not checked here
    """Snapshot and journal. Not thread-safe: its owner locks.

    A document that changed must be a new object (TinyDB's `remove` + `insert` in one `batch`): documents are
    compared by identity, which is what makes a write cheap.

    Raises:
        StoreError: a file cannot be read; the message says how to go back to the copy.
        OSError: the journal cannot be opened for writing. A full disk alone is no reason: see `compact`.
    """

    def __init__(self, path: Path) -> None:
        self._layout = Layout(path)
        self.path, self.backup = path, self._layout.backup
        self._pending: Tables | None = None
        opened = reopen(self._layout)
        clear_temporary(path)
        self._tables, self._generation = opened.tables, opened.generation
        # Generations of the two snapshots, 0 where there is none.
        self._backup_generation = opened.snapshot if opened.from_backup else 0
        self._generation_on_disk = 0 if opened.from_backup else opened.snapshot
        self._journal_file: int | None = None
        self._journal_size = self._snapshot_size = 0
        try:
            self.compact()
        except OSError as error:
            # What is there can be read and, as far as the disk lets it, added to.
            log.error("%s cannot be folded: %s", path, error)
            if opened.generation:
                self._open_journal(opened.generation, opened.journal_end)

    def read(self) -> Tables:
        """All tables; the caller may replace tables and documents, not change them."""
        return dict(self._tables if self._pending is None else self._pending)

    def write(self, data: Tables) -> None:
        """Store `data`: durable when this returns, unless in a batch."""
        if self._pending is not None:
            self._pending = data
            return
        self._commit(data)

    @contextlib.contextmanager
    def batch(self, *, durable: bool = True) -> Iterator[None]:
        """Writes inside become durable together at the end, or not at all.

        If not `durable`, only with the next durable write: for what the next start would find out by itself.
        """
        self._pending = dict(self._tables)
        try:
            yield
            data, self._pending = self._pending, None
            self._commit(data, durable=durable)
        finally:
            self._pending = None

    def compact(self) -> None:
        """Fold the journal into a new snapshot. If that fails, everything is as before.

        Raises:
            OSError: the disk refuses.
        """
        following = self._generation + 1
        former, size = self._journal_file, self._journal_size
        self._open_journal(following, 0)
        document = {HEADER: {"1": {"schema": SCHEMA, "generation": following}}, **self._tables}
        before = _identity(self.path)
        try:
            write_durably(self.path, encode(document) + b"\n", keep=self.backup)
        except OSError:
            if _identity(self.path) == before:
                # The old snapshot counts, so what comes next must go on in its journal.
                self._close_journal()
                self._layout.journal(following).unlink(missing_ok=True)
                self._journal_file, self._journal_size = former, size
                raise
        if former is not None:
            os.close(former)
        self._generation = following
        if before is not None:
            self._backup_generation = self._generation_on_disk
        self._generation_on_disk = following
        self._snapshot_size = self.path.stat().st_size
        self._drop_old_journals()

    def close(self) -> None:
        """Leave one up-to-date file behind, if the disk lets it; the journal is as good."""
        if self._journal_file is None:
            return
        if self._journal_size:
            with contextlib.suppress(OSError):
                self.compact()
        self._close_journal()

    def _commit(self, data: Tables, *, durable: bool = True) -> None:
        patch = difference(self._tables, data)
        if patch:
            self._append(patch, durable=durable)
        self._tables = data
        if self._journal_size > max(FOLD_BYTES, self._snapshot_size):
            # The write itself is durable by now: a full disk must not turn it into a failure.
            with contextlib.suppress(OSError):
                self.compact()

    def _append(self, patch: Tables, *, durable: bool) -> None:
        if self._journal_file is None:
            # The first start was on a full disk: there is no snapshot yet that a journal could follow.
            self.compact()
        assert self._journal_file is not None
        line = encode_line(patch)
        try:
            written = os.pwrite(self._journal_file, line, self._journal_size)
            if written != len(line):
                raise OSError(28, "No space left on device", str(self._layout.journal(self._generation)))
            if durable:
                os.fdatasync(self._journal_file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._journal_file, self._journal_size)
            raise
        self._journal_size += len(line)

    def _open_journal(self, generation: int, end: int) -> None:
        """Open a journal and cut it to its good part, `end` bytes."""
        path = self._layout.journal(generation)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.ftruncate(descriptor, end)
            os.fsync(descriptor)
            sync_folder(path.parent)
        except OSError:
            os.close(descriptor)
            raise
        self._journal_file, self._journal_size = descriptor, end

    def _close_journal(self) -> None:
        if self._journal_file is not None:
            os.close(self._journal_file)
            self._journal_file = None

    def _drop_old_journals(self) -> None:
        for generation, path in self._layout.journals().items():
            if generation < self._backup_generation:
                path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
