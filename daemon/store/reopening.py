"""Opens what an earlier run left of a storage: the snapshot and its journals, or the copy where that loses nothing.

    jobs.json                snapshot of generation N: {"_storage": …, table: {id: document}}
    jobs.json.journal.N      what changed since: one line a write
    jobs.json.bak            snapshot of generation N-1
    jobs.json.journal.N-1    what led from there to N

Nothing is ever taken for empty that only has a part missing: without a snapshot, a journal is an error.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

from daemon.errors import StoreError
from daemon.store.journal import DamagedJournalError, Tables, replay

log = logging.getLogger(__name__)
# What reading a file raises that is not what it should be.
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
HEADER = "_storage"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Opened:
    """What was there.

    Attributes:
        tables: with everything that was ever acknowledged.
        snapshot: generation of the snapshot that was read, 0 if there was nothing at all. from_backup: it was the copy.
        generation: of the last journal. journal_end: where its good part ends, in bytes.
    """

    tables: Tables
    snapshot: int = 0
    generation: int = 0
    journal_end: int = 0
    from_backup: bool = False


class Layout:
    """The names of a storage's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.backup = path.with_name(path.name + ".bak")

    def journal(self, generation: int) -> Path:
        """The journal that follows the snapshot of this generation."""
        return self.path.with_name(f"{self.path.name}.journal.{generation}")

    def journals(self) -> dict[int, Path]:
        """Every journal that is there, by generation."""
        prefix = f"{self.path.name}.journal."
        found = {path.name.removeprefix(prefix): path for path in self.path.parent.glob(f"{prefix}*")}
        return {int(number): path for number, path in sorted(found.items()) if number.isascii() and number.isdigit()}


def reopen(layout: Layout) -> Opened:
    """What the last run left.

    Raises:
        StoreError: it cannot be read without losing something; nothing was changed, and the message has a way back.
    """
    try:
        return _from(layout, layout.path)
    except FileNotFoundError:
        problem = f"{layout.path} is missing."
        if not layout.backup.exists():
            return _without_snapshot(layout, problem)
    except DamagedJournalError as error:
        raise StoreError(f"{error}. {_way_back(layout)}") from error
    except OSError as error:
        # A disk in trouble, or a folder of somebody else: the file itself may be as good as ever.
        raise StoreError(f"{layout.path} cannot be read: {error.strerror}. Nothing was changed.") from error
    except _UNREADABLE as error:
        problem = f"{layout.path} cannot be read ({error})."
    return _from_backup(layout, problem)


def _from(layout: Layout, snapshot: Path) -> Opened:
    tables: Tables = json.loads(snapshot.read_bytes())
    header = tables.pop(HEADER)["1"]
    if int(header["schema"]) > SCHEMA:
        raise StoreError(
            f"{snapshot} was written by a newer version of seedvr2d. Nothing was changed; update this one."
        )
    first = generation = int(header["generation"])
    if not all(isinstance(table, dict) for table in tables.values()):
        raise ValueError("a table is not an object")
    end = 0
    if not layout.journal(generation).exists():
        # It is made before the snapshot that it follows.
        raise StoreError(
            f"{layout.journal(generation)} is missing, which holds what was written after {snapshot.name}. Nothing was "
            f"changed. Put it back from a copy of yours; or, to go on without it: touch '{layout.journal(generation)}'"
        )
    while (journal := layout.journal(generation)).exists():
        end = replay(journal, tables)
        generation += 1
    return Opened(tables, first, max(generation - 1, first), end)


def _from_backup(layout: Layout, problem: str) -> Opened:
    """Go back to the copy where it and its journals hold every write; the bad file is kept beside it."""
    try:
        opened = replace(_from(layout, layout.backup), from_backup=True)
    except (StoreError, DamagedJournalError, OSError, *_UNREADABLE) as error:
        raise StoreError(f"{problem} {_way_back(layout)}") from error
    # The journal of a snapshot is made before the snapshot: without it, it may have held more than the copy knows.
    journals = layout.journals()
    if opened.snapshot + 1 not in journals or opened.generation < max(journals):
        raise StoreError(f"{problem} {_way_back(layout)}")
    if layout.path.exists():
        aside = layout.path.with_name(f"{layout.path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        layout.path.rename(aside)
        problem += f" It is kept as {aside.name}."
    log.warning("%s Its copy %s and the journals hold everything, so they are used.", problem, layout.backup.name)
    return opened


def _without_snapshot(layout: Layout, problem: str) -> Opened:
    written = [path for path in layout.journals().values() if path.stat().st_size]
    if not written:
        # The first start ended before its first snapshot, or there was no start yet.
        return Opened({})
    header = json.dumps({HEADER: {"1": {"schema": SCHEMA, "generation": 1}}})
    if layout.journal(1) in written:
        # The first snapshot is of nothing, so that all there ever was is in the journals.
        way = f"Nothing was changed. To make it anew from its journal: echo '{header}' > '{layout.path}'"
    else:
        way = (
            f"Its journal {written[-1].name} is there, so there was one. Put it back from a copy of yours; or, to "
            f"begin with an empty store, move {layout.path}.* away. Sent files that it knew are kept."
        )
    raise StoreError(f"{problem} {way}")


def _way_back(layout: Layout) -> str:
    aside = layout.path.with_name(layout.path.name + ".damaged")
    if not layout.backup.exists():
        return (
            "Nothing was changed, and there is no copy of it. To begin with an empty store, move the files "
            f"{layout.path.parent}/{layout.path.name}* away; sent files that it knew are kept."
        )
    move = f"mv '{layout.path}' '{aside}'; " if layout.path.exists() else ""
    return (
        f"Nothing was changed. To go back to the last good copy: {move}cp '{layout.backup}' '{layout.path}'"
        f"{_missing_journal(layout)}"
    )


def _missing_journal(layout: Layout) -> str:
    """What is to be done besides where the journal of the copy is lost too."""
    try:
        generation = int(json.loads(layout.backup.read_bytes())[HEADER]["1"]["generation"])
    except (OSError, *_UNREADABLE):
        return ""
    journal = layout.journal(generation)
    return "" if journal.exists() else f"; touch '{journal}'"
