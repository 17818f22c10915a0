"""What the watch cannot see is noticed, told, and looked for instead."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from daemon.inbox import watcher
from daemon.inbox.watcher import Watcher
from tests.daemon.conftest import eventually
from tests.daemon.inbox.trees import nested, put

# In a user namespace of its own a process may lower its own limits, and those alone.
NAMESPACE = ("unshare", "--user", "--map-root-user")
LIMITED = """
import sys, threading
from pathlib import Path
from daemon.inbox import watcher
folder, kind, scarce, plenty = Path(sys.argv[1]), *sys.argv[2:]
limit = Path("/proc/sys/user") / f"max_inotify_{kind}"
watcher.AGAIN_S = 0.0
wake = threading.Event()
watching = watcher.Watcher(folder, "auto", wake)
limit.write_text(scarce)
watching.start()
print(watching.polling, watching.problem)
watching.revive()
print(watching.polling)
limit.write_text(plenty)
watching.revive()
print(watching.polling, watching.problem)
wake.clear()
(folder / "a" / "b" / "clip.mp4").write_text("x")
print(wake.wait(20))
watching.stop()
"""


@pytest.mark.parametrize(("kind", "scarce"), [("watches", "2"), ("watches", "0"), ("instances", "0")])
def test_limits_are_noticed_and_it_watches_again_when_they_are_raised(tmp_path: Path, kind: str, scarce: str) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    if subprocess.run([*NAMESPACE, "true"], check=False).returncode != 0:
        pytest.skip("this machine allows no user namespaces")
    told = subprocess.check_output(
        [*NAMESPACE, sys.executable, "-c", LIMITED, tmp_path, kind, scarce, "1000"], text=True
    )
    first, second, third, woken = told.splitlines()
    assert first.startswith("True The inbox is looked at every few seconds instead of watched (inotify")
    assert "fs.inotify.max_user_watches" in first
    assert second == "True"
    assert third.strip() == "False"
    assert woken == "True"


def test_a_folder_that_cannot_be_watched_later_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watcher(tmp_path, "inotify", threading.Event())
    watching.start()
    try:
        assert not watching.polling

        def refuse(*_arguments: object, **_more: object) -> int:
            raise OSError(28, "inotify watch limit reached")

        with monkeypatch.context() as fault:
            fault.setattr(watcher.InotifyFD, "add_callback", refuse)
            (tmp_path / "new").mkdir()
            eventually(lambda: watching.revive() or watching.polling)
        assert "watch limit" in watching.problem
        monkeypatch.setattr(watcher, "AGAIN_S", 0.0)
        watching._again_at = 0.0
        watching.revive()
        assert not watching.polling
    finally:
        watching.stop()


@pytest.mark.parametrize("when", ["before", "while"])
def test_folders_nested_without_end_do_not_end_the_watch(tmp_path: Path, when: str) -> None:
    inbox, wake = tmp_path / "inbox", threading.Event()
    inbox.mkdir()
    watching = Watcher(inbox, "inotify", wake)
    if when == "while":
        watching.start()
    with nested(tmp_path / "deep", 1000):
        os.rename(tmp_path / "deep", inbox / "deep")  # noqa: PTH104
        try:
            if when == "before":
                watching.start()
            else:
                eventually(lambda: watching.revive() or watching.polling)
            assert "nested too deep" in watching.problem
            if when == "while":
                wake.clear()
                put(inbox / "clip.mp4")
                assert wake.wait(20)
        finally:
            watching.stop()
            os.rename(inbox / "deep", tmp_path / "deep")  # noqa: PTH104


def test_a_watch_whose_folder_was_replaced_begins_again(tmp_path: Path) -> None:
    inbox, wake = tmp_path / "inbox", threading.Event()
    inbox.mkdir()
    watching = Watcher(inbox, "inotify", wake)
    watching.start()
    try:
        inbox.rmdir()
        inbox.mkdir()
        eventually(lambda: not watching._is_alive())
        watching.revive()
        wake.clear()
        put(inbox / "clip.mp4")
        assert wake.wait(20)
        assert not watching.polling
    finally:
        watching.stop()


@pytest.mark.parametrize("mode", ["poll", "off"])
def test_without_a_watch_there_is_no_problem_to_tell(tmp_path: Path, mode: str) -> None:
    watching = Watcher(tmp_path, mode, threading.Event())
    watching.start()
    watching.revive()
    assert (watching.polling, watching.problem) == (mode == "poll", "")
    watching.stop()
