"""What a crash left between two halves of a move is cleared; nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.inbox.strays import clear_strays
from daemon.store.safe_folder import SafeFolder
from tests.daemon.inbox.trees import nested, put
from tests.daemon.store.test_safe_folder import KILLED_WHILE_WRITING

KILLED_WHILE_REFUSING = """
import os, signal, sys
from pathlib import Path
from daemon.inbox.after import Aftermath
from daemon.inbox.scan import Scanner
from daemon.store.safe_folder import SafeFolder
from tests.daemon.inbox.refused import Archive, refuse
inbox, steps, move = Path(sys.argv[1]), int(sys.argv[2]), SafeFolder.move
done = []
def counted(*arguments):
    if len(done) == steps:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(move(*arguments))
    return done[-1]
SafeFolder.move = counted
SafeFolder.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
refuse(Aftermath(Archive(), inbox, "move"), next(Scanner(inbox).scan()), "no good")
"""


def everything(folder: Path) -> set[str]:
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*") if not each.is_dir()}


@pytest.mark.parametrize("folder", ["", "family", "_failed", "_done/family"])
def test_files_half_written_are_removed_wherever_they_are(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, tmp_path / folder], check=False)
    put(tmp_path / folder / ".clip.mp4.error.txt.a1b2c3d4.tmp")
    assert len(everything(tmp_path)) == 2
    clear_strays(tmp_path)
    assert everything(tmp_path) == set()


def test_what_may_be_somebody_elses_stays(tmp_path: Path) -> None:
    names = {
        "movie.tmp", ".hidden.tmp", ".clip.mp4.a1b2c3d4.tmp", ".seedvr2d", "clip.mp4.toml", "clip.mp4.error.txt",
        "notes.error.txt", "_done/old.mp4", "old.mp4.toml", "_failed/bad.mp4", "_failed/bad.mp4.error.txt",
        "bad.mp4.toml", "preset.toml", ".uploads/.clip.mp4.error.txt.a1b2c3d4.tmp", "_failed/new.mp4", "new.mp4",
        "new.mp4.toml",
    }  # fmt: skip
    for name in names:
        put(tmp_path / name)
    clear_strays(tmp_path)
    assert everything(tmp_path) == names


@pytest.mark.parametrize("steps", [1, 2])
def test_companions_go_to_where_a_kill_left_their_source(tmp_path: Path, steps: int) -> None:
    put(tmp_path / "sub" / "bad.mp4")
    put(tmp_path / "sub" / "bad.mp4.toml", "seed = 1")
    ended = subprocess.run([sys.executable, "-c", KILLED_WHILE_REFUSING, tmp_path, str(steps)], check=False)
    assert ended.returncode == -9
    assert "_failed/sub/bad.mp4" in everything(tmp_path)
    clear_strays(tmp_path)
    kept = {"_failed/sub/bad.mp4", "_failed/sub/bad.mp4.toml"}
    # When nothing of it was left behind, only its reason is missing.
    assert everything(tmp_path) == kept | ({"_failed/sub/bad.mp4.error.txt"} if steps == 1 else set())
    assert (tmp_path / "_failed/sub/bad.mp4.toml").read_text() == "seed = 1"


def test_an_earlier_reason_follows_its_source(tmp_path: Path) -> None:
    put(tmp_path / "_failed" / "bad.mp4")
    put(tmp_path / "bad.mp4.error.txt", "no good")
    put(tmp_path / "bad.mp4.toml")
    clear_strays(tmp_path)
    assert everything(tmp_path / "_failed") == {"bad.mp4", "bad.mp4.toml", "bad.mp4.error.txt"}
    assert (tmp_path / "_failed" / "bad.mp4.error.txt").read_text() == "no good"


def test_no_link_is_followed_and_no_depth_is_too_deep(tmp_path: Path) -> None:
    inbox, outside = tmp_path / "inbox", tmp_path / "outside"
    left = put(outside / ".clip.mp4.error.txt.a1b2c3d4.tmp")
    inbox.mkdir()
    (inbox / "_done").symlink_to(outside)
    (inbox / "link").symlink_to(outside)
    with nested(inbox / "deep", 1000):
        clear_strays(inbox)
    assert left.exists()
    assert os.path.islink(inbox / "_done")  # noqa: PTH114


def test_one_that_cannot_be_removed_leaves_the_others_to_be_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f".clip{number}.mp4.error.txt.a1b2c3d4.tmp" for number in range(5)]
    for name in names:
        put(tmp_path / name)
    remove = SafeFolder.remove

    def refused(folder: SafeFolder, name: str) -> bool:
        if name == names[2]:
            raise PermissionError(1, "Operation not permitted")
        return remove(folder, name)

    monkeypatch.setattr(SafeFolder, "remove", refused)
    clear_strays(tmp_path)
    assert everything(tmp_path) == {names[2]}
