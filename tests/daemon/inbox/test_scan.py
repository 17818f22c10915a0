"""Which files of the inbox are looked at."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.inbox import scan
from daemon.inbox.names import ignored, is_companion
from daemon.inbox.scan import Scanner
from daemon.store.safe_open import open_folder
from tests.daemon.inbox.trees import nested, put


@pytest.mark.parametrize(
    "name",
    [".hidden.mp4", "._clip.mp4", "clip.mp4.part", "clip.crdownload", "CLIP.TMP", "clip.mp4.!qB", "clip.mp4~",
     "Thumbs.db", ".DS_Store", "@eaDir", "__MACOSX", "_UNPACK_film", "~$clip.mp4", ".syncthing.clip.mp4.tmp",
     "#recycle", "@Recycle", "@Recently-Snapshot", "#snapshot", ".snapshot", "System Volume Information",
     "$RECYCLE.BIN", "RECYCLER", ".Trash-1000", ".Trashes", "lost+found", ".stversions", ".stfolder", ".AppleDouble",
     ".TemporaryItems", "Temporary Items", ".Spotlight-V100", ".fseventsd", "Network Trash Folder", "aquota.user",
     "aquota.group", ".nfs000000000123", "FOUND.000", "clip.mp4.ytdl", "clip.mp4.part-Frag12",
     "clip.mp4.part-Frag12.part", "clip.downloading", "clip.xltd", "clip.td", "clip.!sync", "clip.uploading",
     "clip.incomplete", "clip.filepart", "~syncthing~clip.mp4.tmp", ".dropbox.cache", "clip.bc!", "clip.dtapart",
     "Unconfirmed 12345.crdownload", "clip.unconfirmed", "clip.cdownload", "clip.jc!", "clip.fdmdownload",
     "clip.idmdownload"],
)  # fmt: skip
def test_names_that_are_no_sources(name: str) -> None:
    assert ignored(name)


@pytest.mark.parametrize(
    "name",
    ["clip.mp4", "part.mp4", "ünï 照片.png", "clip.temp.mp4", "_done.png", "noextension", "recycle.mp4", "#1.png",
     "@home.jpg", "aquotas.mp4", "found.0001", "snapshot"],
)  # fmt: skip
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


def test_a_thousand_nested_folders_stop_nothing_beside_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path / "a.mp4")
    put(tmp_path / "z" / "z.mp4")
    with nested(tmp_path / "deep", 1000) as bottom:
        os.close(os.open("lost.mp4", os.O_CREAT | os.O_WRONLY, dir_fd=bottom))
        put(tmp_path / "deep" / "n" / "found.mp4")
        scanner = Scanner(tmp_path)
        for _ in range(2):
            assert [each.path.name for each in scanner.scan()] == ["a.mp4", "found.mp4", "z.mp4"]
    assert caplog.text.count("lies too deep") == 1


def test_folders_with_long_names_end_before_paths_become_too_long(tmp_path: Path) -> None:
    put(tmp_path / "z.mp4")
    with nested(tmp_path / "deep", 30, "n" * 250):
        assert [each.path.name for each in Scanner(tmp_path).scan()] == ["z.mp4"]


def test_a_folder_that_vanishes_while_its_neighbours_are_looked_at(tmp_path: Path) -> None:
    for name in ("a/a.mp4", "b/b.mp4", "c/c.mp4"):
        put(tmp_path / name)
    looking = Scanner(tmp_path).scan()
    assert next(looking).folder == "a"
    shutil.rmtree(tmp_path / "b")
    assert [each.folder for each in looking] == ["c"]


def test_a_folder_that_becomes_a_link_during_the_scan_is_not_entered(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    put(tmp_path / "outside" / "secret.mp4")
    for name in ("a/a.mp4", "b/b.mp4"):
        put(inbox / name)
    looking = Scanner(inbox).scan()
    assert next(looking).folder == "a"
    shutil.rmtree(inbox / "b")
    (inbox / "b").symlink_to(tmp_path / "outside")
    assert list(looking) == []


def test_a_folder_that_may_not_be_read_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a/a.mp4", "b/b.mp4"):
        put(tmp_path / name)
    (tmp_path / "a").chmod(0)
    if os.access(tmp_path / "a", os.R_OK):
        # Nothing is closed to root.
        monkeypatch.setattr(scan, "open_folder", lambda root, way: _refused() if way == "a" else open_folder(root, way))
    scanner = Scanner(tmp_path)
    assert [each.folder for each in (*scanner.scan(), *scanner.scan())] == ["b", "b"]
    assert caplog.text.count("Permission denied") == 1
    (tmp_path / "a").chmod(0o755)


def _refused() -> int:
    raise PermissionError(errno.EACCES, "Permission denied")


def test_what_lies_in_recycle_bins_and_snapshots_is_not_looked_at(tmp_path: Path) -> None:
    for folder in ("#recycle", "@Recently-Snapshot/GMT-1", "sub/#snapshot", "$RECYCLE.BIN/S-1-5", ".Trash-1000/files"):
        put(tmp_path / folder / "clip.mp4")
    put(tmp_path / "sub" / "a.mp4")
    assert [each.path.name for each in Scanner(tmp_path).scan()] == ["a.mp4"]


def test_an_entry_that_cannot_be_looked_at_hides_none_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        put(tmp_path / name)
    scandir = os.scandir

    class Entry:
        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.name, self._entry = entry.name, entry

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            if self.name == "b.mp4":
                raise OSError(errno.EIO, "Input/output error")
            return self._entry.stat(follow_symlinks=follow_symlinks)

    @contextlib.contextmanager
    def listing(folder: int) -> Iterator[Iterator[Entry]]:
        with scandir(folder) as entries:
            yield (Entry(entry) for entry in entries)

    monkeypatch.setattr(scan.os, "scandir", listing)
    scanner = Scanner(tmp_path)
    assert [each.path.name for each in (*scanner.scan(), *scanner.scan())] == ["a.mp4", "c.mp4"] * 2
    assert caplog.text.count("'b.mp4' cannot be read: Input/output error") == 1
