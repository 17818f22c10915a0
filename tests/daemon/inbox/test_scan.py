"""Which files of the inbox are looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.inbox.scan import Scanner, ignored, is_companion


@pytest.mark.parametrize(
    "name",
    [".hidden.mp4", "._clip.mp4", "clip.mp4.part", "clip.crdownload", "CLIP.TMP", "clip.mp4.!qB", "clip.mp4~",
     "Thumbs.db", ".DS_Store", "@eaDir", "__MACOSX", "_UNPACK_film", "~$clip.mp4", ".syncthing.clip.mp4.tmp"],
)  # fmt: skip
def test_names_that_are_no_sources(name: str) -> None:
    assert ignored(name)


@pytest.mark.parametrize("name", ["clip.mp4", "part.mp4", "ünï 照片.png", "clip.temp.mp4", "_done.png", "noextension"])
def test_names_that_are(name: str) -> None:
    assert not ignored(name)
    assert not is_companion(name)


def test_finds_files_in_folders_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.mp4", "sub/deep/b.mp4", "_done/c.mp4", "_failed/d.mp4", ".hidden/e.mp4", "sub/_done/f.mp4",
                 "a.mp4.toml", "sub/preset.toml", "g.mp4.part", "a.mp4.error.txt"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    os.mkfifo(tmp_path / "pipe.mp4")
    found = {(each.path.relative_to(tmp_path).as_posix(), each.folder) for each in Scanner(tmp_path).scan()}
    assert found == {("a.mp4", ""), ("sub/deep/b.mp4", "sub/deep"), ("sub/_done/f.mp4", "sub/_done")}


def test_links_are_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    inbox, outside = tmp_path / "inbox", tmp_path / "outside"
    inbox.mkdir()
    outside.mkdir()
    (outside / "secret.mp4").write_text("x")
    (inbox / "link.mp4").symlink_to(outside / "secret.mp4")
    (inbox / "folder").symlink_to(outside)
    scanner = Scanner(inbox)
    assert list(scanner.scan()) == list(scanner.scan()) == []
    assert caplog.text.count("symbolic link") == 2


def test_names_of_any_bytes(tmp_path: Path) -> None:
    names = [b"\xff\xfe.mp4", "漢字 🎬.mp4".encode(), b"n" * 251 + b".mp4"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    assert sorted(os.fsencode(each.path.name) for each in Scanner(tmp_path).scan()) == sorted(names)
