from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from seedvr2.checkpoint.atomic import publish, written_whole


def test_the_file_appears_at_the_end_only(tmp_path: Path) -> None:
    target = tmp_path / "out.bin"
    with written_whole(target, overwrite=False) as part:
        part.write_bytes(b"new")
        assert not target.exists() and part.name.startswith(".") and part.parent == tmp_path
    assert target.read_bytes() == b"new" and [path.name for path in tmp_path.iterdir()] == ["out.bin"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), written_whole(target, overwrite=True) as part:
        part.write_bytes(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"old" and [path.name for path in tmp_path.iterdir()] == ["out.bin"]


def test_overwriting_has_to_be_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")
    with pytest.raises(FileExistsError), written_whole(target, overwrite=False):
        pass
    with written_whole(target, overwrite=True) as part:
        part.write_bytes(b"new")
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("links", [True, False], ids=["hard-links", "no-hard-links"])
def test_a_file_that_appeared_meanwhile_is_not_overwritten(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    target = tmp_path / "out.bin"
    with pytest.raises(FileExistsError), written_whole(target, overwrite=False) as part:
        part.write_bytes(b"mine")
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs" and [path.name for path in tmp_path.iterdir()] == ["out.bin"]


def test_it_works_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", _no_links)
    (tmp_path / "part").write_bytes(b"x")
    publish(tmp_path / "part", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"x" and [path.name for path in tmp_path.iterdir()] == ["out"]


def _no_links(source: Path, target: Path) -> None:
    # What a file system without hard links answers; there is none to mount in a test.
    raise OSError(errno.EPERM, "Operation not permitted")
