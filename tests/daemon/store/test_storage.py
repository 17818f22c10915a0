"""The storage: nothing acknowledged is lost, damage is noticed, and the way back works."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest
from tinydb import TinyDB
from tinydb.table import Document

from daemon.errors import StoreError
from daemon.store.storage import JournalledStorage


def put(storage: JournalledStorage, db: TinyDB, key: int, value: object) -> None:
    with storage.batch():
        db.table("t").remove(doc_ids=[key])
        db.table("t").insert(Document({"value": value}, doc_id=key))


def opened(path: Path) -> tuple[JournalledStorage, TinyDB]:
    db = TinyDB(path, storage=JournalledStorage)
    return db.storage, db


def contents(path: Path) -> dict[str, object]:
    storage = JournalledStorage(path)
    try:
        return {key: document["value"] for key, document in storage.read().get("t", {}).items()}
    finally:
        storage.close()


def test_writes_survive_without_closing(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    storage, db = opened(path)
    for number in range(20):
        put(storage, db, number % 7, number)
    db.table("t").remove(doc_ids=[3])
    expected = {key: document["value"] for key, document in storage.read()["t"].items()}
    assert contents(path) == expected
    assert "3" not in expected


def test_closing_leaves_one_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    storage, db = opened(path)
    put(storage, db, 1, "x")
    db.close()
    assert json.loads(path.read_text())["t"] == {"1": {"value": "x"}}
    assert (tmp_path / "jobs.json.bak").exists()


def test_a_failed_batch_changes_nothing(tmp_path: Path) -> None:
    storage, db = opened(tmp_path / "jobs.json")
    put(storage, db, 1, "x")
    with pytest.raises(RuntimeError), storage.batch():
        db.table("t").remove(doc_ids=[1])
        raise RuntimeError
    assert storage.read()["t"] == {"1": {"value": "x"}}


def test_a_full_disk_is_an_error_that_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "jobs.json"
    storage, db = opened(path)
    put(storage, db, 1, "x")
    # Half of the line is written, then the disk is full.
    real = os.pwrite
    monkeypatch.setattr("os.pwrite", lambda fd, data, at: real(fd, data[: len(data) // 2], at))
    with pytest.raises(OSError, match="No space"):
        put(storage, db, 2, "y")
    monkeypatch.undo()
    assert storage.read()["t"] == {"1": {"value": "x"}}
    put(storage, db, 3, "z")
    assert contents(path) == {"1": "x", "3": "z"}


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    storage, db = opened(path)
    put(storage, db, 1, "x")
    put(storage, db, 2, "y")
    (journal,) = [each for each in tmp_path.glob("jobs.json.journal.*") if each.stat().st_size]
    journal.write_bytes(journal.read_bytes()[:-3])
    assert contents(path) == {"1": "x"}


def test_damage_in_the_middle_of_the_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    storage, db = opened(path)
    put(storage, db, 1, "x")
    put(storage, db, 2, "y")
    (journal,) = [each for each in tmp_path.glob("jobs.json.journal.*") if each.stat().st_size]
    journal.write_bytes(journal.read_bytes().replace(b'"x"', b'"q"'))
    with pytest.raises(StoreError, match="damaged at line 1"):
        JournalledStorage(path)


BAD_GENERATION = b'{"_storage": {"1": {"generation": "x"}}}'


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b'{"t": {}}', b"[]", BAD_GENERATION, b"\x00" * 99])
def test_an_unreadable_file_is_refused_and_the_way_back_loses_nothing(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "jobs.json"
    storage, db = opened(path)
    put(storage, db, 1, "x")
    storage.compact()
    put(storage, db, 2, "y")
    path.write_bytes(damage)
    with pytest.raises(StoreError) as caught:
        JournalledStorage(path)
    assert path.read_bytes() == damage
    command = str(caught.value).split("copy: ")[1]
    subprocess.run(["sh", "-ec", command], check=True)
    assert contents(path) == {"1": "x", "2": "y"}


def test_a_missing_file_beside_its_copy_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    storage, db = opened(path)
    put(storage, db, 1, "x")
    db.close()
    path.unlink()
    with pytest.raises(StoreError, match="is missing"):
        JournalledStorage(path)


def test_any_cut_of_the_journal_leaves_a_prefix_of_the_writes(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    storage, db = opened(path)
    for number in range(10):
        put(storage, db, number, number)
    (journal,) = [each for each in tmp_path.glob("jobs.json.journal.*") if each.stat().st_size]
    whole, snapshot = journal.read_bytes(), path.read_bytes()
    for cut in random.Random(1).sample(range(len(whole)), 40):
        for stale in tmp_path.glob("jobs.json*"):
            stale.unlink()
        path.write_bytes(snapshot)
        journal.write_bytes(whole[:cut])
        # A line that lacks only its end was never acknowledged, but is whole.
        count = whole[:cut].count(b"\n") + (whole[cut : cut + 1] == b"\n")
        assert contents(path) == {str(number): number for number in range(count)}


def test_the_journal_is_folded_when_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.store.storage.FOLD_BYTES", 2000)
    path = tmp_path / "jobs.json"
    storage, db = opened(path)
    for number in range(200):
        put(storage, db, number % 5, "x" * 50)
    assert len(list(tmp_path.glob("jobs.json.journal.*"))) == 2
    assert sum(each.stat().st_size for each in tmp_path.glob("jobs.json.journal.*")) < 8000
    assert len(contents(path)) == 5
