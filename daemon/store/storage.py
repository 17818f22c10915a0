"""A TinyDB storage that survives `kill -9` and power cuts, and whose writes cost the same at any size.

TinyDB hands over the whole database at each write. Rewriting a file of 50,000 jobs each time would cost a second,
so this storage finds out which documents changed and appends only those to a journal, with fsync. From time to
time the journal is folded into a new snapshot (temporary file, fsync, rename); the former snapshot stays as `.bak`
together with its journal, so that going back to it loses nothing.

    jobs.json                snapshot of generation N: {"_storage": …, table: {id: document}}
    jobs.json.journal.N      what changed since: one line a write, `crc32 {table: {id: document or null}}`
    jobs.json.bak            snapshot of generation N-1
    jobs.json.journal.N-1    what led from there to N
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinydb.storages import Storage

from daemon.errors import StoreError
from daemon.store.files import sync_folder, write_durably

Tables = dict[str, dict[str, Any]]
HEADER = "_storage"
SCHEMA = 1
FOLD_BYTES = 1 << 20


class JournalledStorage(Storage):  # type: ignore[misc] # TinyDB is not checked here
    """Snapshot and journal. Not thread-safe: its owner locks.

    A document that changed must be a new object (TinyDB's `remove` + `insert` in one `batch`): documents are
    compared by identity, which is what makes a write cheap.

    Raises:
        StoreError: a file cannot be read; the message says how to go back to the copy.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.backup = path.with_name(path.name + ".bak")
        self._pending: Tables | None = None
        self._tables, self._generation = self._load()
        self._journal_file: int | None = None
        self._journal_size = 0
        self.compact()

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
        """Fold the journal into a new snapshot."""
        following = self._generation + 1
        self._open_journal(following)
        document = {HEADER: {"1": {"schema": SCHEMA, "generation": following}}, **self._tables}
        write_durably(self.path, _encode(document) + b"\n", keep=self.backup)
        self._generation = following
        self._snapshot_size = self.path.stat().st_size
        self._drop_old_journals()

    def close(self) -> None:
        """Leave one up-to-date file behind."""
        if self._journal_file is None:
            return
        if self._journal_size:
            self.compact()
        os.close(self._journal_file)
        self._journal_file = None

    def _commit(self, data: Tables, *, durable: bool = True) -> None:
        patch = _difference(self._tables, data)
        if patch:
            self._append(patch, durable=durable)
        self._tables = data
        if self._journal_size > max(FOLD_BYTES, self._snapshot_size):
            # The write itself is durable by now: a full disk must not turn it into a failure.
            with contextlib.suppress(OSError):
                self.compact()

    def _append(self, patch: Tables, *, durable: bool) -> None:
        assert self._journal_file is not None, "the storage is closed"
        line = _encode(patch)
        line = b"%08x " % zlib.crc32(line) + line + b"\n"
        try:
            written = os.pwrite(self._journal_file, line, self._journal_size)
            if written != len(line):
                raise OSError(28, "No space left on device", str(self._journal_path(self._generation)))
            if durable:
                os.fdatasync(self._journal_file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._journal_file, self._journal_size)
            raise
        self._journal_size += len(line)

    def _open_journal(self, generation: int) -> None:
        path = self._journal_path(generation)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        os.fsync(descriptor)
        sync_folder(path.parent)
        if self._journal_file is not None:
            os.close(self._journal_file)
        self._journal_file, self._journal_size = descriptor, 0

    def _journal_path(self, generation: int) -> Path:
        return self.path.with_name(f"{self.path.name}.journal.{generation}")

    def _drop_old_journals(self) -> None:
        keep = {self._journal_path(self._generation), self._journal_path(self._generation - 1)}
        for path in self.path.parent.glob(f"{self.path.name}.journal.*"):
            if path not in keep:
                path.unlink(missing_ok=True)

    def _load(self) -> tuple[Tables, int]:
        if not self.path.exists():
            if self.backup.exists():
                raise StoreError(f"{self.path} is missing. {self._way_back()}")
            return {}, 0
        try:
            tables: Tables = json.loads(self.path.read_bytes())
            generation = int(tables.pop(HEADER)["1"]["generation"])
            if not all(isinstance(table, dict) for table in tables.values()):
                raise ValueError("a table is not an object")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{self.path} cannot be read ({error}). {self._way_back()}") from error
        while (path := self._journal_path(generation)).exists():
            self._replay(path, tables)
            generation += 1
        return tables, generation

    def _replay(self, path: Path, tables: Tables) -> None:
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}. {self._way_back()}") from error
        damaged = 0
        for number, line in enumerate(lines, 1):
            patch = _decode_line(line)
            if patch is None:
                damaged = damaged or (number if line else 0)
                continue
            if damaged:
                # A torn last line was never acknowledged; a bad line with good ones after it is damage.
                raise StoreError(f"{path} is damaged at line {damaged}. {self._way_back()}")
            _apply(tables, patch)

    def _way_back(self) -> str:
        aside = self.path.with_name(self.path.name + ".damaged")
        if not self.backup.exists():
            return f"There is no copy of it. To begin with an empty store, move the folder {self.path.parent} away."
        move = f"mv '{self.path}' '{aside}'; " if self.path.exists() else ""
        return f"Nothing was changed. To go back to the last good copy: {move}cp '{self.backup}' '{self.path}'"


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _decode_line(line: bytes) -> Tables | None:
    checksum, _, body = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(body):
            return None
        patch: Tables = json.loads(body)
    except ValueError:
        return None
    return patch


def _apply(tables: Tables, patch: Tables) -> None:
    for name, changes in patch.items():
        table = tables.setdefault(name, {})
        for key, document in changes.items():
            if document is None:
                table.pop(key, None)
            else:
                table[key] = document


def _difference(old: Tables, new: Tables) -> Tables:
    patch: Tables = {}
    for name in old.keys() | new.keys():
        before, after = old.get(name, {}), new.get(name, {})
        if before is after:
            continue
        changes: dict[str, Any] = {key: document for key, document in after.items() if before.get(key) is not document}
        changes |= {key: None for key in before if key not in after}
        if changes:
            patch[name] = changes
    return patch
