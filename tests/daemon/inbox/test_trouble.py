"""Trouble of the machine is told and waited for; no file is blamed for it, and none is made twice."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.inbox.after import Aftermath
from daemon.inbox.scan import Found
from daemon.jobs.job import Media
from daemon.store.safe_folder import SafeFolder
from daemon.store.safe_open import fingerprint
from seedvr2.errors import MachineError, OutOfMemoryError, TooLargeError
from tests.daemon.conftest import Running, Start, eventually, picture
from tests.daemon.executors import FakeExecutor
from tests.daemon.inbox.refused import refuse
from tests.daemon.inbox.test_inbox import held, waiting
from tests.daemon.inbox.trees import nested, put


class Troubled(FakeExecutor):
    """Raises `trouble` over every file until it is taken away."""

    trouble: Exception | None = None
    asked: int = 0

    def probe(self, path: Path) -> Media:
        if self.trouble is not None:
            self.asked += 1
            raise self.trouble
        return super().probe(path)


def failing(code: int) -> Callable[..., None]:
    def fail(*_arguments: object, **_more: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def problems(running: Running) -> str:
    return " ".join(running.service.inbox.problems)


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (OSError(errno.ESTALE, "Stale file handle"), "Stale file handle"),
        (MachineError("a.png cannot be read (Input/output error).", errno.EIO), "Input/output error"),
        (OutOfMemoryError("There is not enough memory."), "not enough memory"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_a_machine_that_refuses_to_look_into_a_file_is_waited_for(start: Start, trouble: Exception, told: str) -> None:
    executor = Troubled()
    executor.trouble = trouble
    running = start(executor)
    picture(running.inbox / "a.png")
    eventually(lambda: told in problems(running))
    # By the second try, a file of doubtful content has been given its time.
    settler = running.service.inbox._turns._settler
    eventually(lambda: any(each.retries >= 2 for each in list(settler._files.values())))
    assert (running.inbox / "a.png").exists()
    assert not (running.inbox / "_failed").exists()
    executor.trouble = None
    eventually((running.inbox / "_done" / "a.png").exists)
    eventually(lambda: not running.service.inbox.problems)


def test_a_picture_too_large_for_any_machine_is_refused_at_once(start: Start) -> None:
    executor = Troubled()
    executor.trouble = TooLargeError("a.png has more pixels than are accepted.")
    running = start(executor, SEEDVR2_INBOX_GIVE_UP_S="3600")
    picture(running.inbox / "a.png")
    reason = running.inbox / "_failed" / "a.png.error.txt"
    eventually(reason.exists)
    assert "more pixels" in reason.read_text()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.ENOENT])
@pytest.mark.parametrize("where", ["store", "marker"])
def test_a_state_folder_that_refuses_fails_no_file(
    running: Running, monkeypatch: pytest.MonkeyPatch, code: int, where: str
) -> None:
    store, suspects = running.service.store, running.service.inbox._turns._suspects
    with monkeypatch.context() as fault:
        if where == "store":
            fault.setattr(store, "add", failing(code))
        else:
            fault.setattr(suspects, "begin", failing(code))
        picture(running.inbox / "a.png")
        eventually(lambda: "the state folder cannot be written" in problems(running))
        assert not (running.inbox / "_failed").exists()
        assert not (running.inbox / "a.png.error.txt").exists()
    eventually((running.inbox / "_done" / "a.png").exists)
    eventually(lambda: not running.service.inbox.problems)
    eventually(lambda: len(running.history()) == 1)


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EIO, errno.ESTALE])
def test_a_source_that_the_disk_does_not_let_go_is_made_once_and_moved_later(
    running: Running, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with monkeypatch.context() as fault:
        fault.setattr(SafeFolder, "move", failing(code))
        picture(running.inbox / "a.png")
        eventually(lambda: os.strerror(code) in problems(running))
        assert (running.inbox / "a.png").exists()
    eventually((running.inbox / "_done" / "a.png").exists)
    eventually(lambda: not running.service.inbox.problems)
    assert len(running.executor.runs) == len(running.history()) == 1


def test_a_refused_file_that_the_disk_does_not_let_go_is_moved_later(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as fault:
        fault.setattr(SafeFolder, "move", failing(errno.EROFS))
        put(running.inbox / "bad.png", "no picture")
        eventually(lambda: "Read-only file system" in problems(running))
        assert not running.service.store.seen(
            str(running.inbox / "bad.png"), fingerprint((running.inbox / "bad.png").stat())
        )
    eventually((running.inbox / "_failed" / "bad.png.error.txt").exists)
    eventually(lambda: not running.service.inbox.problems)


def test_a_folder_that_keeps_its_files_has_each_made_once_and_says_so_once(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(SafeFolder, "move", failing(errno.EACCES))
    for name in ("a.png", "b.png"):
        picture(running.inbox / name)
    put(running.inbox / "bad.png", "no picture")
    eventually(lambda: running.service.inbox.pending == 0 and len(running.history()) == 3)
    picture(running.inbox / "c.png")
    eventually(lambda: len(running.history()) == 4)
    assert len(running.executor.runs) == 3
    assert {each.name for each in running.inbox.glob("*.png")} == {"a.png", "b.png", "bad.png", "c.png"}
    (told,) = running.service.inbox.problems
    assert "Permission denied" in told
    assert caplog.text.count("Files stay in") == 1
    for each in running.inbox.glob("*.png"):
        each.unlink()
    eventually(lambda: not running.service.inbox.problems)


def test_an_inbox_that_is_not_there_settles_nothing(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    running.service.stop()
    store, archived = running.service.store, []
    monkeypatch.setattr(type(store), "archive", lambda _store, job: archived.append(job))
    after = Aftermath(store, running.inbox, "move")
    away = running.inbox.with_name("unmounted")
    running.inbox.rename(away)
    found = Found(running.inbox / "a.png", "", (1, 2, 3))
    with pytest.raises(OSError, match="not there"):
        refuse(after, found, "no good")
    away.rename(running.inbox)
    refuse(after, found, "no good")
    refusing = Aftermath(store, running.inbox, "move", check=failing(errno.ENODEV))
    with pytest.raises(OSError, match="No such device"):
        refuse(refusing, found, "no good")


def test_a_settling_that_a_crash_cut_short_goes_on_where_it_was(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = held(start)
    put(running.inbox / "a.png.toml", "seed = 1")
    clip = picture(running.inbox / "a.png")
    (job,) = waiting(running)
    # The crash came after the source was moved: nothing else was.
    (running.inbox / "_failed").mkdir()
    shutil.move(clip, running.inbox / "_failed" / "a.png")
    ended = job.cancel(0.0, "Cancelled on request.")
    moved = running.service.inbox._aftermath._settle(ended)
    assert moved.draft.source == str(running.inbox / "_failed" / "a.png")
    assert (running.inbox / "_failed" / "a.png.toml").exists()
    assert "Cancelled" in (running.inbox / "_failed" / "a.png.error.txt").read_text()
    assert not (running.inbox / "a.png.toml").exists()


def test_one_file_over_which_the_inbox_itself_stumbles_holds_up_no_other(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = running.service.inbox._turns
    signature = turns._signature

    def stumble(found: Found) -> object:
        if found.path.name == "a.png":
            raise ValueError("never thought of")
        return signature(found)

    monkeypatch.setattr(turns, "_signature", stumble)
    for name in ("a.png", "b.png"):
        picture(running.inbox / name)
    eventually((running.inbox / "_done" / "b.png").exists)
    assert (running.inbox / "a.png").exists()


def test_folders_nested_without_end_stop_neither_the_start_nor_the_files_beside_them(
    start: Start, tmp_path: Path
) -> None:
    picture(tmp_path / "inbox" / "first.png")
    with nested(tmp_path / "inbox" / "deep", 1000):
        running = start(SEEDVR2_INBOX_WATCH="inotify", SEEDVR2_INBOX_POLL_S="0.1")
        eventually((running.inbox / "_done" / "first.png").exists)
        picture(running.inbox / "z.png", "blue")
        eventually((running.inbox / "_done" / "z.png").exists)
        assert "nested too deep" in problems(running)
        running.service.stop()


@pytest.mark.parametrize("moment", [0, 1, 4_000_000_000])
def test_the_date_of_a_file_does_not_matter(running: Running, moment: int) -> None:
    clip = picture(running.inbox.parent / "a.png")
    os.utime(clip, (moment, moment))
    clip.rename(running.inbox / "a.png")
    eventually((running.inbox / "_done" / "a.png").exists)


def test_a_task_whose_record_names_no_possible_file_holds_up_no_other(start: Start) -> None:
    running = held(start)
    picture(running.inbox / "a.png", "red")
    (job,) = waiting(running)
    odd = running.service.store.add(replace(job.draft, source="/in/\0.png", fingerprint=()))
    running.service.context.queue.put(odd)
    picture(running.inbox / "b.png", "blue")
    assert running.finished(odd.id)["status"] == "cancelled"
    waiting(running, 2)
    running.executor.gate.set()
    eventually((running.inbox / "_done" / "b.png").exists)


def test_a_companion_that_cannot_be_moved_keeps_nothing_else_back(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = SafeFolder.move

    def kept(self: SafeFolder, name: str, *more: object) -> str:
        if name.endswith(".srt"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return move(self, name, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(SafeFolder, "move", kept)
    running = start()
    for name in ("a.srt", "a.vtt"):
        put(running.inbox / name)
    picture(running.inbox / "a.png")
    eventually(running.history)
    assert {each.name for each in (running.inbox / "_done").iterdir()} == {"a.png", "a.vtt"}
    assert (running.inbox / "a.srt").exists()
    assert problems(running) == ""
