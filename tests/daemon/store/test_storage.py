"""The storage: nothing acknowledged is lost, damage is noticed, and the way back works."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import tempfile
from pathlib import Path
from typing import NoReturn

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


DAMAGES = [b"", b"{", b"null", b'{"t": {}}', b"[]", BAD_GENERATION, b"\x00" * 99, b"[" * 100_000]


def journals(folder: Path) -> list[Path]:
    return sorted(folder.glob("jobs.json.journal.*"))


def three_writes(folder: Path) -> Path:
    """A snapshot, its copy, and a write in each of their journals."""
    path = folder / "jobs.json"
    storage, db = opened(path)
    put(storage, db, 1, "x")
    storage.compact()
    put(storage, db, 2, "y")
    storage.compact()
    put(storage, db, 3, "z")
    return path


@pytest.mark.parametrize("damage", [*DAMAGES, None])
def test_it_goes_back_to_the_copy_by_itself_where_that_loses_nothing(
    tmp_path: Path, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = three_writes(tmp_path)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    assert contents(path) == {"1": "x", "2": "y", "3": "z"}
    assert "the journals hold everything" in caplog.text
    # What was damaged is kept, for whoever wants to look into it.
    assert [each.read_bytes() for each in tmp_path.glob("jobs.json.damaged-*")] == ([] if damage is None else [damage])
    assert contents(path) == {"1": "x", "2": "y", "3": "z"}


@pytest.mark.parametrize("lost", [0, 1, [0, 1]])
def test_where_it_would_lose_something_it_refuses_and_the_way_back_works(tmp_path: Path, lost: int | list[int]) -> None:
    path = three_writes(tmp_path)
    path.write_bytes(b"{")
    present = journals(tmp_path)
    for index in [lost] if isinstance(lost, int) else lost:
        present[index].unlink()
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(StoreError, match="Nothing was changed") as caught:
        JournalledStorage(path)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before
    subprocess.run(["sh", "-ec", str(caught.value).split("copy: ")[1]], check=True)
    assert contents(path)["1"] == "x"


def test_damage_in_a_journal_keeps_it_from_going_back(tmp_path: Path) -> None:
    path = three_writes(tmp_path)
    path.write_bytes(b"{")
    first = journals(tmp_path)[0]
    first.write_bytes(first.read_bytes().replace(b'"y"', b'"q"') + b"00000000 {}\n" + first.read_bytes())
    with pytest.raises(StoreError, match="To go back to the last good copy"):
        JournalledStorage(path)


def test_a_journal_without_its_snapshot_is_no_empty_store(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    storage, db = opened(path)
    put(storage, db, 1, "x")
    path.unlink()
    with pytest.raises(StoreError, match="is missing") as caught:
        JournalledStorage(path)
    assert journals(tmp_path)[-1].stat().st_size
    # The first journal follows an empty store, so nothing is lost.
    subprocess.run(["sh", "-ec", str(caught.value).split("journal: ")[1]], check=True)
    assert contents(path) == {"1": "x"}


def test_a_snapshot_without_its_journal_is_refused(tmp_path: Path) -> None:
    path = three_writes(tmp_path)
    journals(tmp_path)[-1].unlink()
    with pytest.raises(StoreError, match="is missing, which holds") as caught:
        JournalledStorage(path)
    subprocess.run(["sh", "-ec", str(caught.value).split("without it: ")[1]], check=True)
    assert contents(path) == {"1": "x", "2": "y"}


@pytest.mark.parametrize("garbage", [b"garbage", b"\xff\x00\xff", b"\x89PNG\r\n\x1a\n" * 9, b"0bad 1", b"{}", b"zz\n"])
def test_a_journal_of_garbage_is_not_taken_for_a_torn_end(tmp_path: Path, garbage: bytes) -> None:
    path = three_writes(tmp_path)
    last = journals(tmp_path)[-1]
    last.write_bytes(garbage)
    with pytest.raises(StoreError, match="is damaged at line 1"):
        JournalledStorage(path)
    assert last.read_bytes() == garbage


@pytest.mark.parametrize(
    "torn", [b"", b"0", b"0bad", b"0badcafe", b"0badcafe ", b"0badcafe {", b'0badcafe {"t":{"4"', bytes(99)]
)
def test_a_torn_end_in_any_form_is_no_damage(tmp_path: Path, torn: bytes) -> None:
    path = three_writes(tmp_path)
    last = journals(tmp_path)[-1]
    last.write_bytes(last.read_bytes() + torn)
    assert contents(path) == {"1": "x", "2": "y", "3": "z"}


def test_a_later_journal_alone_is_no_empty_store_either(tmp_path: Path) -> None:
    path = three_writes(tmp_path)
    path.unlink()
    (tmp_path / "jobs.json.bak").unlink()
    with pytest.raises(StoreError, match="Put it back from a copy"):
        JournalledStorage(path)
    assert [each.stat().st_size > 0 for each in journals(tmp_path)] == [True, True]


def test_a_first_start_that_ended_early_is_no_loss(tmp_path: Path) -> None:
    (tmp_path / "jobs.json.journal.1").touch()
    assert contents(tmp_path / "jobs.json") == {}


def test_a_file_that_may_not_be_read_is_not_taken_for_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = three_writes(tmp_path)
    real = Path.read_bytes

    def refuse(self: Path) -> bytes:
        if self == path:
            raise OSError(errno.EIO, "Input/output error")
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(StoreError, match=r"Input/output error\. Nothing was changed"):
        JournalledStorage(path)
    monkeypatch.undo()
    assert contents(path) == {"1": "x", "2": "y", "3": "z"}


class FullDisk:
    """No new file can be made, and none gets longer, while `full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        self._write, self._temporary = os.pwrite, tempfile.mkstemp
        monkeypatch.setattr("os.pwrite", self.pwrite)
        monkeypatch.setattr("tempfile.mkstemp", self.mkstemp)

    def pwrite(self, descriptor: int, data: bytes, at: int) -> int:
        return self._refuse() if self.full else self._write(descriptor, data, at)

    def mkstemp(self, *arguments: str, **more: object) -> tuple[int, str]:
        return self._refuse() if self.full else self._temporary(*arguments, **more)  # type: ignore[call-overload,no-any-return]

    def _refuse(self) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_it_opens_on_a_full_disk_and_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = three_writes(tmp_path)
    disk = FullDisk(monkeypatch)
    storage, db = opened(path)
    assert {key: each["value"] for key, each in storage.read()["t"].items()} == {"1": "x", "2": "y", "3": "z"}
    with pytest.raises(OSError, match="No space"):
        put(storage, db, 4, "refused")
    disk.full = False
    put(storage, db, 5, "v")
    assert contents(path) == {"1": "x", "2": "y", "3": "z", "5": "v"}


def test_even_the_first_start_may_be_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "jobs.json"
    disk = FullDisk(monkeypatch)
    storage, db = opened(path)
    with pytest.raises(OSError, match="No space"):
        put(storage, db, 1, "refused")
    disk.full = False
    put(storage, db, 2, "y")
    assert contents(path) == {"2": "y"}


def test_a_torn_line_is_cut_off_before_anything_follows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = three_writes(tmp_path)
    last = journals(tmp_path)[-1]
    last.write_bytes(last.read_bytes() + b"0bad")
    disk = FullDisk(monkeypatch)
    storage, db = opened(path)
    monkeypatch.setattr("os.pwrite", disk._write)
    put(storage, db, 4, "w")
    assert contents(path) == {"1": "x", "2": "y", "3": "z", "4": "w"}


def test_folding_that_fails_loses_nothing_that_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "jobs.json"
    storage, db = opened(path)
    put(storage, db, 1, "x")
    disk = FullDisk(monkeypatch)
    with pytest.raises(OSError, match="No space"):
        storage.compact()
    disk.full = False
    put(storage, db, 2, "y")
    assert contents(path) == {"1": "x", "2": "y"}


def test_what_a_crash_left_of_a_snapshot_goes_away(tmp_path: Path) -> None:
    path = three_writes(tmp_path)
    (tmp_path / ".jobs.json.abcd_123.tmp").write_bytes(b"half")
    (tmp_path / ".jobs.json.notes.of.mine.tmp").write_bytes(b"mine")
    contents(path)
    assert [each.name for each in tmp_path.glob("*.tmp")] == [".jobs.json.notes.of.mine.tmp"]


def test_a_newer_version_s_file_is_left_alone(tmp_path: Path) -> None:
    path = three_writes(tmp_path)
    newer = path.read_bytes().replace(b'"schema":1', b'"schema":2')
    path.write_bytes(newer)
    with pytest.raises(StoreError, match="newer version"):
        JournalledStorage(path)
    assert path.read_bytes() == newer


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
