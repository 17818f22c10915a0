"""A segment's file and its record."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedvr2.errors import MediaError
from seedvr2.farm.unit import Flaw, UnitWriter, unit_in
from seedvr2.segments.journal import Done


def write(folder: Path, index: int = 7, plan: str = "a") -> Done:
    unit = unit_in(folder, index, plan)
    writer = UnitWriter({index: unit})
    writer.part(index).write_bytes(b"frames")
    done = writer.add(index, 3, 1.5, ("grün",))
    writer.release()
    return done


def test_what_is_written_is_found(tmp_path: Path) -> None:
    unit = unit_in(tmp_path, 7, "a")
    assert unit.find() == Flaw.MISSING
    done = write(tmp_path)
    assert unit.find() == done == Done(7, 3, 6, done.sha256, 1.5, ("grün",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seg-00007", "seg-00007.json"]


@pytest.mark.parametrize("content", [b"framez", b"frame", b""])
def test_a_file_that_is_not_what_was_written_is_damaged(tmp_path: Path, content: bytes) -> None:
    write(tmp_path)
    unit = unit_in(tmp_path, 7, "a")
    unit.path.write_bytes(content)
    assert unit.find() == Flaw.DAMAGED


@pytest.mark.parametrize("record", [None, b"", b"{", b"[]", b"null", b"{}", b'{"plan": "a"}', b"[" * 9000])
def test_a_file_without_a_record_of_it_is_nobodys(tmp_path: Path, record: bytes | None) -> None:
    write(tmp_path)
    unit = unit_in(tmp_path, 7, "a")
    if record is None:
        unit.record.unlink()
    else:
        unit.record.write_bytes(record)
    assert unit.find() == Flaw.FOREIGN


def test_a_segment_of_another_plan_or_number_is_not_this_one(tmp_path: Path) -> None:
    write(tmp_path)
    assert unit_in(tmp_path, 7, "b").find() == Flaw.FOREIGN
    for name in ("seg-00007", "seg-00007.json"):
        (tmp_path / name).rename(tmp_path / name.replace("7", "8"))
    assert unit_in(tmp_path, 8, "a").find() == Flaw.FOREIGN


def test_a_record_alone_is_a_segment_that_is_missing(tmp_path: Path) -> None:
    """As after a crash between the two; and then it can be made."""
    write(tmp_path)
    (tmp_path / "seg-00007").unlink()
    assert unit_in(tmp_path, 7, "a").find() == Flaw.MISSING
    assert write(tmp_path) == unit_in(tmp_path, 7, "a").find()


def test_nobody_writes_over_a_file_or_beside_another_writer(tmp_path: Path) -> None:
    units = {7: unit_in(tmp_path, 7, "a")}
    first, second = UnitWriter(units), UnitWriter(units)
    first.part(7)
    with pytest.raises(MediaError, match="seg-00007 is being written already"):
        second.part(7)
    first.release()
    assert not list(tmp_path.iterdir())
    write(tmp_path)
    with pytest.raises(MediaError, match="seg-00007 exists already"):
        second.part(7)
