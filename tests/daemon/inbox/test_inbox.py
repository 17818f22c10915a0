"""What people do to an inbox, and what comes of it."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from daemon.jobs.job import Job, State
from daemon.work import surroundings
from tests.daemon import executors
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually, picture, png
from tests.daemon.executors import FakeExecutor


def held(start: Start, **environment: str) -> Running:
    """A service whose executor waits, so that what is dropped next stays in the queue."""
    running = start(**environment)
    running.executor.gate.clear()
    picture(running.inbox / "first.png", "black")
    assert running.executor.running.wait(PATIENCE_S)
    return running


def waiting(running: Running, count: int = 1) -> list[Job]:
    eventually(lambda: len(running.service.context.queue) == count)
    return running.service.context.queue.waiting()


def test_a_file_is_not_taken_while_somebody_writes_it(running: Running) -> None:
    content = png(size=(200, 200))
    with (running.inbox / "slow.png").open("wb") as writer:
        writer.write(content[:100])
        writer.flush()
        eventually(lambda: running.service.inbox.pending == 1)
        # Longer than the settle time and the time to give up together.
        assert not _happens(lambda: (running.inbox / "_failed").exists(), 0.6)
        writer.write(content[100:])
    eventually((running.inbox / "_done" / "slow.png").exists)


def test_unfinished_names_are_left_alone_until_they_are_renamed(running: Running) -> None:
    part = running.inbox / "clip.png.part"
    part.write_bytes(png())
    assert not _happens(lambda: running.service.inbox.pending, 0.4)
    part.rename(running.inbox / "clip.png")
    eventually((running.inbox / "_done" / "clip.png").exists)


def test_a_whole_folder_keeps_its_structure(running: Running, tmp_path: Path) -> None:
    for name in ("a.png", "b/c.png", "b/d/e.png"):
        picture(tmp_path / "film" / name)
    shutil.copytree(tmp_path / "film", running.inbox / "film")
    eventually((running.inbox / "_done" / "film" / "b" / "d" / "e.png").exists)
    eventually(lambda: len(running.results()) == 3)
    folders = {each.parent.relative_to(running.outputs).as_posix() for each in running.results()}
    assert folders == {"film", "film/b", "film/b/d"}


def test_a_waiting_file_that_is_renamed_is_followed(start: Start) -> None:
    running = held(start)
    picture(running.inbox / "old.png")
    (job,) = waiting(running)
    (running.inbox / "sub").mkdir()
    (running.inbox / "old.png").rename(running.inbox / "sub" / "new.png")
    eventually(lambda: running.service.context.queue.waiting()[0].draft.source.endswith("sub/new.png"))
    running.executor.gate.set()
    assert running.finished(job.id)["status"] == "completed"
    assert len(running.history()) == 2


def test_a_waiting_file_that_is_deleted_ends_its_job(start: Start) -> None:
    running = held(start)
    (job,) = [picture(running.inbox / "gone.png") and waiting(running)[0]]
    (running.inbox / "gone.png").unlink()
    status = running.finished(job.id)
    assert status["status"] == "cancelled"
    assert "removed from the inbox" in str(status["error"])


def test_a_waiting_file_that_is_replaced_is_taken_anew(start: Start) -> None:
    running = held(start)
    picture(running.inbox / "a.png", "red")
    (job,) = waiting(running)
    picture(running.inbox / "a.png", "blue", (50, 50))
    assert running.finished(job.id)["status"] == "cancelled"
    (again,) = waiting(running)
    assert again.draft.media.width == 50
    running.executor.gate.set()
    assert running.finished(again.id)["status"] == "completed"


def test_a_file_that_is_replaced_while_it_is_worked_on_is_taken_anew(start: Start) -> None:
    running = held(start)
    picture(running.inbox / "first.png", "white", (60, 60))
    running.executor.gate.set()
    eventually(lambda: len(running.history()) == 2)
    assert [each.draft.media.width for each in running.history()] == [60, 32]
    assert not (running.inbox / "first.png").exists()


def test_the_same_name_twice_overwrites_nothing(running: Running) -> None:
    for count, colour in enumerate(("red", "blue"), 1):
        picture(running.inbox / "a.png", colour)
        eventually(lambda count=count: len(running.history()) == count)
    assert len(running.results()) == 2
    assert {each.name for each in (running.inbox / "_done").iterdir()} == {"a.png", "a (2).png"}


def test_the_same_content_twice_is_made_again_by_default_and_says_so(running: Running) -> None:
    picture(running.inbox / "a.png")
    eventually(lambda: len(running.history()) == 1)
    picture(running.inbox / "b.png")
    eventually(lambda: len(running.history()) == 2)
    second, first = running.history()
    assert second.draft.duplicate_of == first.id
    assert len(running.results()) == 2


def test_the_same_content_twice_is_skipped_on_request_unless_asked_for_differently(start: Start) -> None:
    running = start(SEEDVR2_INBOX_DUPLICATES="skip")
    picture(running.inbox / "a.png")
    eventually(lambda: len(running.history()) == 1)
    picture(running.inbox / "b.png")
    note = running.inbox / "_done" / "b.png.note.txt"
    eventually(note.exists)
    assert "a_nano_48p" in note.read_text()
    assert len(running.results()) == 1
    passed, first = eventually(lambda: len(running.history()) == 2 and running.history())
    assert (passed.state, passed.draft.duplicate_of, passed.error) == (
        State.CANCELLED,
        first.id,
        note.read_text().strip(),
    )
    # The third copy is one of the first still.
    picture(running.inbox / "again.png")
    third = eventually(lambda: [job for job in running.history() if job.draft.original_filename == "again.png"])[0]
    assert (third.state, third.draft.duplicate_of) == (State.CANCELLED, first.id)
    # Who wants it made nevertheless tries it again.
    again = running.post(f"/api/tasks/{passed.id}/retry").json()["task_id"]
    assert running.finished(again)["status"] == "completed"
    assert len(running.results()) == 2
    (running.inbox / "c.png.toml").write_text("seed = 1")
    picture(running.inbox / "c.png")
    eventually(lambda: len(running.results()) == 3)


def test_copies_dropped_together_are_made_once_with_skip(start: Start) -> None:
    running = held(start, SEEDVR2_INBOX_DUPLICATES="skip")
    picture(running.inbox / "a.png")
    picture(running.inbox / "b.png")
    waiting(running)
    running.executor.gate.set()
    eventually(lambda: not list(running.inbox.glob("*.png")))
    assert len(running.results()) == 2


def test_an_invalid_sidecar_is_an_error_beside_the_file_which_is_not_touched(running: Running) -> None:
    (running.inbox / "a.png.toml").write_text("resolutoin = 480")
    clip = picture(running.inbox / "a.png")
    error = running.inbox / "a.png.error.txt"
    eventually(error.exists)
    assert "Did you mean 'resolution'" in error.read_text()
    assert clip.exists()
    (refusal,) = eventually(running.history)
    assert refusal.state is State.FAILED and refusal.error == error.read_text().strip()
    (running.inbox / "a.png.toml").write_text("resolution = 480")
    eventually((running.inbox / "_done" / "a.png").exists)
    # Told just after the source has moved.
    (job,) = eventually(lambda: [each for each in running.history() if each.state is State.COMPLETED])
    assert job.draft.options["resolution"] == 480
    assert (running.inbox / "_done" / "a.png.toml").exists()
    assert not error.exists()


def test_a_preset_folder(start: Start, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[presets.4k-sharp]\nresolution = 2160\ncolor_correction = "wavelet"\n')
    running = start()
    picture(running.inbox / "4k-sharp" / "a.png")
    eventually(lambda: len(running.history()) == 1)
    (job,) = running.history()
    assert (job.draft.options["resolution"], job.draft.options["color_correction"]) == (2160, "wavelet")
    assert "cwavelet" in running.results()[0].name


def test_a_failed_file_goes_to_failed_with_its_reason_and_can_be_put_back(running: Running) -> None:
    running.executor.errors.append(ValueError("a bug"))
    picture(running.inbox / "a.png")
    reason = running.inbox / "_failed" / "a.png.error.txt"
    eventually(reason.exists)
    assert "failed unexpectedly (ValueError)" in reason.read_text()
    (running.inbox / "_failed" / "a.png").rename(running.inbox / "a.png")
    eventually((running.inbox / "_done" / "a.png").exists)


def test_a_cancelled_file_does_not_come_back(start: Start) -> None:
    running = held(start)
    picture(running.inbox / "a.png")
    (job,) = waiting(running)
    running.post(f"/api/tasks/{job.id}/cancel")
    assert (running.inbox / "_failed" / "a.png").exists()
    assert running.finished(job.id)["status"] == "cancelled"
    assert not _happens(lambda: len(running.service.context.queue), 0.4)


def test_keep_leaves_sources_and_takes_each_version_once(start: Start) -> None:
    running = start(SEEDVR2_INBOX_AFTER="keep")
    picture(running.inbox / "a.png")
    eventually(lambda: len(running.history()) == 1)
    running.service.stop()
    running = start(SEEDVR2_INBOX_AFTER="keep")
    assert not _happens(lambda: len(running.history()) > 1, 0.5)
    picture(running.inbox / "a.png", "blue")
    eventually(lambda: len(running.history()) == 2)
    assert (running.inbox / "a.png").exists()


def test_keep_with_a_failure_puts_the_reason_beside_the_file(start: Start) -> None:
    running = start(SEEDVR2_INBOX_AFTER="keep")
    (running.inbox / "a.png").write_bytes(b"no picture")
    picture(running.inbox / "b.png")
    eventually(lambda: sorted(job.state.value for job in running.history()) == ["completed", "failed"])
    assert not _happens(lambda: len(running.history()) > 2, 0.4)
    assert {each.name for each in running.inbox.iterdir()} == {"a.png", "a.png.error.txt", "b.png"}


def test_delete_removes_only_after_success(start: Start) -> None:
    running = start(SEEDVR2_INBOX_AFTER="delete")
    (running.inbox / "a.png.toml").write_text("seed = 1")
    picture(running.inbox / "a.png")
    (running.inbox / "bad.png").write_bytes(b"no picture")
    eventually((running.inbox / "_failed" / "bad.png").exists)
    eventually(lambda: sorted(job.state.value for job in running.history()) == ["completed", "failed"])
    assert {each.name for each in running.inbox.iterdir()} == {"_failed"}


def test_an_unreadable_file_says_so_and_is_taken_once_it_can_be_read(start: Start) -> None:
    class Forbidding(FakeExecutor):
        forbidden = True

        def probe(self, path: Path):  # type: ignore[no-untyped-def]
            if self.forbidden:
                raise PermissionError(errno.EACCES, "Permission denied")
            return super().probe(path)

    executor = Forbidding()
    running = start(executor)
    clip = picture(running.inbox / "a.png")
    error = running.inbox / "a.png.error.txt"
    eventually(error.exists)
    assert "permission denied" in error.read_text()
    assert clip.exists()
    executor.forbidden = False
    eventually((running.inbox / "_done" / "a.png").exists)
    assert not error.exists()


def test_a_file_over_which_something_unforeseen_happens_holds_up_no_other(start: Start) -> None:
    class Stumbling(FakeExecutor):
        def probe(self, path: Path):  # type: ignore[no-untyped-def]
            if path.name == "a.png":
                raise RuntimeError("never thought of")
            return super().probe(path)

    running = start(Stumbling(), SEEDVR2_INBOX_GIVE_UP_S="1")
    for name in ("a.png", "b.png"):
        picture(running.inbox / name)
    eventually((running.inbox / "_done" / "b.png").exists)
    error = running.inbox / "_failed" / "a.png.error.txt"
    eventually(error.exists)
    assert "never thought of" in error.read_text()
    assert (running.inbox / "_failed" / "a.png").exists()


def test_a_model_that_is_not_here_is_waited_for(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    (running.inbox / "a.png.toml").write_text('dit_model = "new.safetensors"')
    picture(running.inbox / "a.png")
    error = running.inbox / "a.png.error.txt"
    eventually(error.exists)
    assert "There is no model new.safetensors" in error.read_text()
    monkeypatch.setattr(executors, "MODELS", (*executors.MODELS, "new.safetensors"))
    eventually((running.inbox / "_done" / "a.png").exists)


def test_names_of_any_bytes_come_through(running: Running) -> None:
    names = [b"\xff\xfe name.png", "漢字 🎬 'q\".png".encode(), b"n" * 251 + b".png"]
    for name in names:
        picture(running.inbox / os.fsdecode(name))
    eventually(lambda: len(running.history()) == 3, 15)
    done = {os.fsencode(each.name) for each in (running.inbox / "_done").iterdir()}
    assert done == set(names)
    assert {job.state for job in running.history()} == {State.COMPLETED}
    assert running.get("/api/queue/history").status_code == 200
    assert all(len(os.fsencode(each.name)) <= 255 for each in running.outputs.rglob("*"))


def test_an_inbox_that_disappears_pauses_and_comes_back(start: Start) -> None:
    running = held(start)
    picture(running.inbox / "a.png")
    (job,) = waiting(running)
    away = running.inbox.with_name("unmounted")
    running.inbox.rename(away)
    eventually(lambda: running.get("/health").json()["problems"])
    assert running.get(f"/api/status/{job.id}").json()["status"] == "queued"
    away.rename(running.inbox)
    eventually(lambda: not running.get("/health").json()["problems"])
    running.executor.gate.set()
    assert running.finished(job.id)["status"] == "completed"
    picture(running.inbox / "after.png")
    eventually((running.inbox / "_done" / "after.png").exists)


def test_polling_finds_files_too(start: Start) -> None:
    running = start(SEEDVR2_INBOX_WATCH="poll", SEEDVR2_INBOX_POLL_S="0.1", SEEDVR2_INBOX_RESCAN_S="3600")
    picture(running.inbox / "a.png")
    eventually((running.inbox / "_done" / "a.png").exists)


def test_events_alone_wake_it_long_before_the_next_scan(start: Start) -> None:
    running = start(SEEDVR2_INBOX_WATCH="inotify", SEEDVR2_INBOX_RESCAN_S="3600")
    picture(running.inbox / "new folder" / "a.png")
    eventually((running.inbox / "_done" / "new folder" / "a.png").exists)


def test_a_full_disk_starts_no_job_until_there_is_room(start: Start) -> None:
    running = start(SEEDVR2_JOBS_MIN_FREE_MB=str(1 << 40))
    picture(running.inbox / "a.png")
    eventually(lambda: "disk of the outputs is full" in str(running.get("/health").json()["problems"]))
    waiting(running)
    running.service.worker._surroundings._min_free_bytes = 0
    eventually((running.inbox / "_done" / "a.png").exists)


@pytest.mark.long
def test_a_disk_that_fills_up_during_a_job_is_waited_for(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    room = [1 << 30]
    monkeypatch.setattr(surroundings, "free_bytes", lambda _folder: room[0])
    running.executor.errors.append(OSError(errno.ENOSPC, "No space left on device"))
    picture(running.inbox / "a.png")
    eventually(lambda: "disk of the outputs is full" in str(running.get("/health").json()["problems"]))
    assert not (running.inbox / "_failed").exists()
    room[0] = 1 << 40
    eventually((running.inbox / "_done" / "a.png").exists)
    assert len(running.executor.runs) == 2


@pytest.mark.long
def test_a_thousand_files_at_once_all_come_out(start: Start, tmp_path: Path) -> None:
    # In memory where possible: what a disk's fsync costs is not the question here.
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else tmp_path))
    try:
        _thousand_files(start(folder=folder))
    finally:
        shutil.rmtree(folder)


def _thousand_files(running: Running) -> None:
    running.executor.steps = 1
    content = png(size=(8, 8))
    for number in range(1000):
        (running.inbox / f".{number:04}.part").write_bytes(content)
    for number in range(1000):
        (running.inbox / f".{number:04}.part").rename(running.inbox / f"{number:04}.png")
    eventually(lambda: not list(running.inbox.glob("*.png")), 60)
    eventually(lambda: len(running.history()) == 1000, 20)
    assert {job.state for job in running.history()} == {State.COMPLETED}
    assert len(running.results()) == 1000
    assert len(list((running.inbox / "_done").iterdir())) == 1000
    assert running.get("/api/queue/status").json()["total_completed"] == 1000
    running.service.stop()


def _happens(ask: object, seconds: float) -> bool:
    try:
        eventually(ask, seconds)  # type: ignore[arg-type]
    except AssertionError:
        return False
    return True
