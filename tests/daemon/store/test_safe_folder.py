"""What is written, moved and removed lands in the folder that was opened, and overwrites nothing."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.store.safe_folder import folder_below, is_leftover

NOBODY = 65534
KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from daemon.store.safe_folder import folder_below
os.fsync = lambda _descriptor: os.kill(os.getpid(), signal.SIGKILL)
with folder_below(Path(sys.argv[1])) as folder:
    folder.write("clip.mp4.error.txt", b"a reason")
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to move to")
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder
    shutil.rmtree(folder)


def put(path: Path, text: str = "mine") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def move(source: Path, target: Path) -> str:
    with folder_below(source.parent) as here, folder_below(target, make=True) as there:
        return here.move(source.name, there)


def as_nobody(action: Callable[[], object]) -> str:
    """What another user comes to: the name of the error, or nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            action()
        except BaseException as error:
            os.write(writing, type(error).__name__.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as answer:
        return answer.read()


def everything(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in folder.iterdir()}


def test_a_folder_that_is_swapped_for_a_link_after_it_was_opened_leads_nowhere(tmp_path: Path) -> None:
    inbox, outside = tmp_path / "inbox", tmp_path / "outside"
    outside.mkdir()
    put(inbox / "clip.mp4")
    (inbox / "_failed").mkdir()
    with folder_below(inbox) as here, folder_below(inbox, "_failed") as there:
        (inbox / "_failed").rename(inbox / "away")
        (inbox / "_failed").symlink_to(outside)
        here.move("clip.mp4", there)
        there.write("clip.mp4.error.txt", b"reason")
        there.write("gone", b"")
        there.remove("gone")
    assert everything(inbox / "away") == {"clip.mp4": "mine", "clip.mp4.error.txt": "reason"}
    assert not list(outside.iterdir())


def test_writing_replaces_a_link_instead_of_following_it(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret", "untouched")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "note").symlink_to(secret)
    with folder_below(tmp_path / "inbox") as folder:
        assert folder.read("note", 100) is None
        folder.write("note", b"new")
        assert folder.read("note", 100) == b"new"
    assert secret.read_text() == "untouched"
    assert everything(tmp_path / "inbox") == {"note": "new"}


def test_a_move_overwrites_nothing(tmp_path: Path) -> None:
    put(tmp_path / "there" / "clip.mp4", "earlier")
    assert move(put(tmp_path / "clip.mp4"), tmp_path / "there") == "clip (2).mp4"
    assert everything(tmp_path / "there") == {"clip.mp4": "earlier", "clip (2).mp4": "mine"}
    assert not (tmp_path / "clip.mp4").exists()


def test_a_move_overwrites_nothing_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    test_a_move_overwrites_nothing(tmp_path)


def test_a_move_to_another_file_system_copies_and_overwrites_nothing(tmp_path: Path, elsewhere: Path) -> None:
    put(elsewhere / "clip.mp4", "earlier")
    clip = put(tmp_path / "clip.mp4")
    changed = clip.stat().st_mtime_ns
    assert move(clip, elsewhere) == "clip (2).mp4"
    assert everything(elsewhere) == {"clip.mp4": "earlier", "clip (2).mp4": "mine"}
    assert (elsewhere / "clip (2).mp4").stat().st_mtime_ns == changed
    assert not clip.exists()


def test_a_copy_that_fails_leaves_nothing_behind(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    clip = put(tmp_path / "clip.mp4")
    with pytest.raises(OSError, match="No space"):
        move(clip, elsewhere)
    assert clip.read_text() == "mine"
    assert not list(elsewhere.iterdir())


def test_a_move_that_a_crash_cut_in_two_is_finished_under_the_same_name(tmp_path: Path) -> None:
    clip = put(tmp_path / "clip.mp4")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "clip.mp4").hardlink_to(clip)
    assert move(clip, tmp_path / "there") == "clip.mp4"
    assert everything(tmp_path / "there") == {"clip.mp4": "mine"}
    assert not clip.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_a_move_out_of_a_folder_of_somebody_else_leaves_everything_as_it_was(mode: int) -> None:
    # Where others may look: the test's own folder is in one that they may not.
    root = Path(tempfile.mkdtemp())
    try:
        root.chmod(0o755)
        # The kernel lets others make links of files that they may write, and of no more.
        put(root / "mine" / "clip.mp4").chmod(mode)
        (root / "there").mkdir()
        (root / "there").chmod(0o777)
        assert as_nobody(lambda: move(root / "mine" / "clip.mp4", root / "there")) == "PermissionError"
        assert everything(root / "mine") == {"clip.mp4": "mine"}
        assert not list((root / "there").iterdir())
    finally:
        shutil.rmtree(root)


def test_what_a_kill_left_half_written_is_known_as_such(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, tmp_path], check=False)
    assert ended.returncode == -9
    (left,) = tmp_path.iterdir()
    assert is_leftover(left.name)
    assert not is_leftover("clip.mp4.tmp")
    with folder_below(tmp_path) as folder:
        # That of a run that goes on is not.
        assert not is_leftover(folder._temporary())
