"""A file appears whole or not at all, and never in place of another one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from seedvr2.errors import MachineError, MediaError
from seedvr2.media.atomic import PartFile


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_with_its_content_when_published(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "out.png")
    part.path.write_bytes(b"whole")
    assert names(tmp_path) == [part.path.name]
    assert part.path.name.startswith(".out.png.part")
    part.publish()
    assert names(tmp_path) == ["out.png"]
    assert (tmp_path / "out.png").read_bytes() == b"whole"


def test_rights_are_those_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        part = PartFile(tmp_path / "out.png")
        part.publish()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.png").stat().st_mode) == 0o640


def test_discarded_file_leaves_nothing(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "out.png")
    part.path.write_bytes(b"half")
    part.discard()
    part.discard()
    assert names(tmp_path) == []


@pytest.mark.parametrize("links", [True, False], ids=["ext4", "exfat"])
def test_file_that_appeared_meanwhile_wins(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    part = PartFile(tmp_path / "out.png")
    (tmp_path / "out.png").write_bytes(b"mine")
    with pytest.raises(MediaError, match=r"out\.png exists already"):
        part.publish()
    assert names(tmp_path) == ["out.png"]
    assert (tmp_path / "out.png").read_bytes() == b"mine"


def test_disk_without_hard_links_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", _no_links)
    part = PartFile(tmp_path / "out.png")
    part.path.write_bytes(b"whole")
    part.publish()
    assert names(tmp_path) == ["out.png"]
    assert (tmp_path / "out.png").read_bytes() == b"whole"


def _no_links(*_: Any, **__: Any) -> None:
    raise OSError(errno.EOPNOTSUPP, "Operation not supported")


@pytest.mark.parametrize("dangling", [False, True])
def test_taken_name_is_refused_at_once(tmp_path: Path, dangling: bool) -> None:
    if dangling:
        (tmp_path / "out.png").symlink_to(tmp_path / "nowhere")
    else:
        (tmp_path / "out.png").touch()
    with pytest.raises(MediaError, match=r"out\.png exists already"):
        PartFile(tmp_path / "out.png")
    assert names(tmp_path) == ["out.png"]


def test_two_writers_of_one_name_do_not_mix(tmp_path: Path) -> None:
    first = PartFile(tmp_path / "out.png")
    first.path.write_bytes(b"first")
    with pytest.raises(MediaError, match="is being written already"):
        PartFile(tmp_path / "out.png")
    first.publish()
    assert (tmp_path / "out.png").read_bytes() == b"first"


def test_rest_of_a_crash_is_taken_over(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "out.png")
    left = part.path
    part.discard()
    left.write_bytes(b"half of an earlier try")
    part = PartFile(tmp_path / "out.png")
    assert part.path.read_bytes() == b""
    part.publish()
    assert names(tmp_path) == ["out.png"]


@pytest.mark.parametrize("name", ["é" * 125 + ".png", "x" * 251 + ".png", "a.png"])
def test_longest_names_fit(tmp_path: Path, name: str) -> None:
    part = PartFile(tmp_path / name)
    assert len(os.fsencode(part.path.name)) <= 255
    part.path.name.encode("utf-8", "strict")
    part.publish()
    assert names(tmp_path) == [name]


def test_folder_that_may_not_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As root every folder may be written to, so the system's refusal is played.
    def refuse(*_: Any, **__: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(MachineError, match=r"out\.png may not be written") as caught:
        PartFile(tmp_path / "out.png")
    assert str(tmp_path) not in str(caught.value)
