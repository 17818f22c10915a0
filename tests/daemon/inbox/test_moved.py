"""A source that is renamed or moved within the inbox, whenever that is, stays the source of its task."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from daemon.inbox.moved import Moved
from daemon.jobs.job import State
from daemon.work.source import Sources
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually, picture
from tests.daemon.inbox.test_inbox import held, waiting


def looked(running: Running, times: int = 2) -> None:
    """Wait until the inbox was looked at again."""
    inbox = running.service.inbox
    for _ in range(times):
        inbox.scanned.clear()
        inbox._wake.set()
        assert inbox.scanned.wait(PATIENCE_S)


@pytest.mark.parametrize("to", ["new.png", "sub/first.png", "sub/deep/new.png"])
def test_the_running_one_is_put_away_where_and_as_it_is_then(start: Start, to: str) -> None:
    running = held(start)
    (running.inbox / to).parent.mkdir(parents=True, exist_ok=True)
    (running.inbox / "first.png").rename(running.inbox / to)
    looked(running, 4)
    assert len(running.service.store.open_jobs()) == 1
    running.executor.gate.set()
    eventually((running.inbox / "_done" / to).exists)
    (job,) = eventually(running.history)
    assert job.state is State.COMPLETED
    assert job.draft.source == str(running.inbox / "_done" / to)
    looked(running, 4)
    assert len(running.history()) == len(running.results()) == 1
    assert running.service.inbox.pending == 0


def test_a_folder_above_the_running_one_is_renamed(start: Start) -> None:
    running = start()
    running.executor.gate.clear()
    picture(running.inbox / "old" / "b" / "a.png")
    assert running.executor.running.wait(PATIENCE_S)
    (running.inbox / "old").rename(running.inbox / "new")
    looked(running, 4)
    running.executor.gate.set()
    eventually((running.inbox / "_done" / "new" / "b" / "a.png").exists)
    (job,) = eventually(running.history)
    looked(running, 4)
    assert [each.id for each in running.history()] == [job.id]


def test_one_that_fails_is_put_away_as_it_is_then(start: Start) -> None:
    running = start()
    running.executor.gate.clear()
    picture(running.inbox / "a.png")
    assert running.executor.running.wait(PATIENCE_S)
    (running.inbox / "a.png").rename(running.inbox / "b.png")
    running.post(f"/api/tasks/{running.service.store.open_jobs()[0].id}/cancel")
    eventually((running.inbox / "_failed" / "b.png.error.txt").exists)
    assert (running.inbox / "_failed" / "b.png").exists()


@pytest.mark.parametrize("policy", ["keep", "delete"])
def test_other_policies_hold_for_it_too(start: Start, policy: str) -> None:
    running = held(start, SEEDVR2_INBOX_AFTER=policy)
    (running.inbox / "first.png").rename(running.inbox / "b.png")
    running.executor.gate.set()
    eventually(running.history)
    looked(running, 4)
    assert len(running.history()) == 1
    assert (running.inbox / "b.png").exists() == (policy == "keep")


def test_across_a_restart(start: Start) -> None:
    running = held(start)
    picture(running.inbox / "waits.png", "red")
    waiting(running)
    running.service.stop()
    (running.inbox / "first.png").rename(running.inbox / "one.png")
    (running.inbox / "x").mkdir()
    (running.inbox / "waits.png").rename(running.inbox / "x" / "two.png")
    running = start()
    eventually(lambda: len(running.history()) == 2)
    looked(running, 4)
    assert {job.state for job in running.history()} == {State.COMPLETED}
    assert len(running.history()) == 2
    assert (running.inbox / "_done" / "one.png").exists()
    assert (running.inbox / "_done" / "x" / "two.png").exists()


def test_one_that_begins_before_the_inbox_has_seen_that_it_was_renamed(start: Start, tmp_path: Path) -> None:
    running = held(start)
    (job,) = running.service.store.open_jobs()
    content = (running.inbox / "first.png").read_bytes()
    (running.inbox / "first.png").rename(running.inbox / "b.png")
    moved = Moved(running.service.store, running.inbox, tmp_path)
    with Sources((running.inbox,), tmp_path / "desk", lambda _job: "", moved.find).open(job) as source:
        assert source.read_bytes() == content


def test_a_waiting_one_moves_its_result_along(start: Start) -> None:
    running = held(start)
    picture(running.inbox / "a.png", "red")
    (job,) = waiting(running)
    (running.inbox / "family").mkdir()
    (running.inbox / "a.png").rename(running.inbox / "family" / "a.png")
    picture(running.inbox / "a.png", "blue", (50, 50))
    waiting(running, 2)
    running.executor.gate.set()
    assert running.finished(job.id)["status"] == "completed"
    eventually(lambda: len(running.history()) == 3)
    assert (running.inbox / "_done" / "family" / "a.png").exists()
    assert len(list((running.outputs / "family").glob("a_*.png"))) == 1
    assert {each.state for each in running.history()} == {State.COMPLETED}


def test_one_that_is_moved_out_of_the_inbox_was_taken_away(start: Start, tmp_path: Path) -> None:
    running = held(start)
    (running.inbox / "first.png").rename(tmp_path / "mine.png")
    running.executor.gate.set()
    (job,) = eventually(running.history)
    assert job.state is State.COMPLETED
    assert (tmp_path / "mine.png").exists()
    assert not list((running.inbox / "_done").rglob("*.png"))


def test_a_copy_beside_the_source_is_a_task_of_its_own(start: Start) -> None:
    running = held(start)
    shutil.copy2(running.inbox / "first.png", running.inbox / "copy.png")
    waiting(running)
    running.executor.gate.set()
    eventually(lambda: len(running.history()) == 2)


def test_one_whose_inode_changes_with_its_name_is_known_by_its_content(start: Start, tmp_path: Path) -> None:
    running = held(start)
    source = running.inbox / "first.png"
    job = running.service.store.open_jobs()[0]
    moved = Moved(running.service.store, running.inbox, tmp_path)
    # As on a share that makes inodes up: the same time and size at another place.
    shutil.copy2(source, tmp_path / "same")
    status = source.stat()
    source.unlink()
    other = running.inbox / "other.png"
    other.write_bytes(bytes(status.st_size))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert moved.find(job) is None
    other.unlink()
    (tmp_path / "same").rename(running.inbox / "b.png")
    assert moved.find(job) == running.inbox / "b.png"
