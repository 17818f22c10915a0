"""Which segments are done: what a crash, a full disk and a bad disk leave."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from seedvr2.segments.journal import NAME, Journal


def finish(journal: Journal, index: int, frames: int = 10) -> None:
    journal.part(index).write_bytes(b"segment %d" % index)
    journal.add(index, frames, 1.5, ("grün",))


def test_what_is_done_is_known_to_the_next_run(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    finish(journal, 0)
    finish(journal, 1)
    again = Journal(tmp_path)
    assert again.done == journal.done
    assert (again.done[1].frames, again.done[1].seconds, again.done[1].warnings) == (10, 1.5, ("grün",))
    assert again.file(1).read_bytes() == b"segment 1"


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_line_is_a_segment_that_is_made_again(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path)
    finish(journal, 0)
    finish(journal, 1)
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:-cut])
    again = Journal(tmp_path)
    assert sorted(again.done) == ([0, 1] if cut == 1 else [0])
    finish(again, 1)
    finish(again, 2)
    assert sorted(Journal(tmp_path).done) == [0, 1, 2]


def test_files_that_are_not_what_was_written_are_forgotten_and_rests_removed(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for index in range(4):
        finish(journal, index)
    journal.file(0).write_bytes(b"segment X")
    journal.file(1).unlink()
    journal.part(7).write_bytes(b"half")
    (tmp_path / "plan.json").write_bytes(b"{}")
    journal.verify([10, 10, 10, 11])
    assert sorted(journal.done) == [2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.json", "seg-00002.packets", NAME]


def test_a_disk_that_takes_no_line_leaves_the_journal_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    finish(journal, 0)
    before = (tmp_path / NAME).read_bytes()
    write = os.write

    def half(descriptor: int, content: bytes) -> int:
        write(descriptor, content[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            finish(journal, 1)
    assert (tmp_path / NAME).read_bytes() == before and sorted(journal.done) == [0]
    finish(journal, 1)
    assert sorted(Journal(tmp_path).done) == [0, 1]
