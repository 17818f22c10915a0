"""Nothing is opened through a link, wherever on the way it was put and whenever."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from daemon.store.safe_open import (
    LinkError,
    SwappedError,
    fingerprint,
    held,
    open_file,
    open_folder,
    open_unchanged,
)


def put(path: Path, text: str = "mine") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def content(descriptor: int) -> str:
    with os.fdopen(descriptor) as file:
        return file.read()


def test_a_file_below_is_opened_also_where_the_root_itself_is_a_link(tmp_path: Path) -> None:
    put(tmp_path / "disk" / "a" / "clip.mp4")
    (tmp_path / "inbox").symlink_to("disk")
    root = tmp_path / "inbox"
    assert content(open_file(root, root / "a" / "clip.mp4")) == "mine"


@pytest.mark.parametrize("link", ["clip.mp4", "a", "a/b", "a/b/clip.mp4"])
def test_no_part_of_the_way_may_be_a_link(tmp_path: Path, link: str) -> None:
    put(tmp_path / "outside" / "b" / "clip.mp4", "secret")
    put(tmp_path / "outside" / "clip.mp4", "secret")
    root = tmp_path / "inbox"
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(tmp_path / "outside" / ("clip.mp4" if link.endswith(".mp4") else ""))
    path = root / (link if link.endswith(".mp4") else f"{link}/clip.mp4")
    with pytest.raises(LinkError, match="symbolic link"):
        open_file(root, path)
    with pytest.raises(SwappedError, match="Put the file itself there"):
        open_unchanged(root, path, ())
    if not link.endswith(".mp4"):
        with pytest.raises(LinkError):
            open_folder(root, f"{link}/new", make=True)
        assert not (tmp_path / "outside" / "new").exists()


def test_nothing_outside_is_reached_by_its_path(tmp_path: Path) -> None:
    put(tmp_path / "secret.mp4")
    root = tmp_path / "inbox"
    root.mkdir()
    for path in (tmp_path / "secret.mp4", root / ".." / "secret.mp4"):
        with pytest.raises(LinkError):
            open_file(root, path)


def test_a_pipe_in_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "clip.mp4")
    with pytest.raises(LinkError, match="not a regular file"):
        open_file(tmp_path, tmp_path / "clip.mp4")


def test_a_missing_folder_is_made_on_request_alone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_folder(tmp_path, "a/b")
    os.close(open_folder(tmp_path, "a/b", make=True))
    assert (tmp_path / "a" / "b").is_dir()


def test_only_the_version_that_was_taken_is_opened(tmp_path: Path) -> None:
    clip = put(tmp_path / "clip.mp4")
    known = fingerprint(clip.stat())
    assert content(open_unchanged(tmp_path, clip, known)) == "mine"
    put(tmp_path / "other", "another version").replace(clip)
    with pytest.raises(SwappedError, match="replaced"):
        open_unchanged(tmp_path, clip, known)
    assert content(open_unchanged(tmp_path, clip, ())) == "another version"


def test_an_unchanged_file_that_a_synchroniser_put_in_place_anew_is_the_same(tmp_path: Path) -> None:
    clip = put(tmp_path / "clip.mp4")
    known = fingerprint(clip.stat())
    copy = put(tmp_path / "copy")
    os.utime(copy, ns=(known[2], known[2]))
    copy.replace(clip)
    assert clip.stat().st_ino != known[0]
    assert content(open_unchanged(tmp_path, clip, known)) == "mine"


def test_what_is_held_stays_what_it_was_whatever_takes_its_name(tmp_path: Path) -> None:
    secret, desk = put(tmp_path / "secret", "secret"), tmp_path / "desk"
    clip = put(tmp_path / "inbox" / "ünï clip.mp4")
    with held(tmp_path / "inbox", clip, fingerprint(clip.stat()), desk) as source:
        clip.unlink()
        clip.symlink_to(secret)
        assert source.path.name == clip.name
        assert source.path.read_text() == "mine"
        # A child process finds it, too.
        assert subprocess.check_output(["cat", source.path], text=True) == "mine"
    assert list(desk.iterdir()) == []


def test_a_desk_that_cannot_be_used_costs_the_name_alone(tmp_path: Path) -> None:
    clip = put(tmp_path / "inbox" / "clip.mp4")
    with held(tmp_path / "inbox", clip, (), put(tmp_path / "no folder")) as source:
        assert source.path.read_text() == "mine"


def test_no_descriptor_is_left_open_when_it_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "a" / "clip.mp4")
    (tmp_path / "a" / "link").symlink_to("clip.mp4")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        for name in ("a/link", "a/missing", "a/clip.mp4/below", "missing/clip.mp4"):
            with pytest.raises(OSError):
                open_file(tmp_path, tmp_path / name)
        with pytest.raises(SwappedError):
            open_unchanged(tmp_path, tmp_path / "a" / "clip.mp4", (1, 2, 3))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
