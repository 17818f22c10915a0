"""What the service does with the finished segments of a job: they outlive whatever it goes on after."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest

from daemon.engine.executor import OnProgress, Outcome, never
from daemon.engine.local_executor import LocalExecutor
from daemon.jobs.job import State
from daemon.settings.keys import ModelSettings
from daemon.work.ending import MAX_STARTS, POISON
from daemon.work.retention import DAY_S
from daemon.work.worker import Activity
from seedvr2 import UpscaleOptions, Upscaler
from seedvr2 import attempts as engine
from seedvr2.errors import MachineError, MediaError
from seedvr2.segments.handing_over import RETRIED
from seedvr2.segments.journal import Journal
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually, picture
from tests.daemon.executors import FakeExecutor
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene

FRAMES = 10  # of a segment


@dataclass
class Piecewise(FakeExecutor):
    """Finishes some segments, and then does what `end` says; notes how many there were before."""

    pieces: int = 1
    end: Callable[[], None] = lambda: None
    found: list[int] = field(default_factory=list)
    retried: list[bool] = field(default_factory=list)

    def run(
        self,
        source: Path,
        target: Path,
        options: UpscaleOptions,
        *,
        model: str,
        on_progress: OnProgress,
        cancelled: Callable[[], bool],
        keep: Path,
        give_way: Callable[[], bool] = never,
    ) -> Outcome:
        keep.mkdir(exist_ok=True)
        journal = Journal(keep)
        done = len(journal.done)
        self.found.append(done)
        self.retried.append((keep / RETRIED).exists())
        for index in range(done, done + self.pieces):
            journal.part(index).write_bytes(b"packets")
            journal.add(index, FRAMES)
        on_progress("restoring", (done + self.pieces) * FRAMES + 5, 1000, 0.1)
        self.end()
        return super().run(
            source,
            target,
            options,
            model=model,
            on_progress=on_progress,
            cancelled=cancelled,
            keep=keep,
            give_way=give_way,
        )


def die() -> None:
    raise SystemExit


def kill_once(start: Start, executor: Piecewise) -> None:
    running = start(executor)
    eventually(lambda: running.service.worker.activity is Activity.DEAD)
    running.service.stop()


def work_of(running: Running) -> list[Path]:
    return sorted(running.outputs.glob(".work/*/*/segments/seg-*.packets"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("times", [MAX_STARTS + 2, pytest.param(30, marks=pytest.mark.long)])
def test_a_job_that_finishes_a_segment_may_be_interrupted_as_often_as_power_fails(
    start: Start, tmp_path: Path, times: int
) -> None:
    picture(tmp_path / "inbox" / "long.png")
    for attempt in range(times):
        executor = Piecewise(end=die)
        kill_once(start, executor)
        assert executor.found == [attempt]
    last = Piecewise(pieces=0)
    running = start(last)
    eventually((running.inbox / "_done" / "long.png").exists)
    assert last.found == [times] and work_of(running) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_finishes_no_more_is_given_up_and_what_is_done_waits_for_a_retry(
    start: Start, tmp_path: Path
) -> None:
    picture(tmp_path / "inbox" / "killer.png")
    kill_once(start, Piecewise(end=die))
    for _ in range(MAX_STARTS):
        kill_once(start, Piecewise(pieces=0, end=die))
    running = start()
    (job,) = eventually(running.history)
    assert (job.state, job.error) == (State.FAILED, POISON)
    assert len(work_of(running)) == 1


def broken() -> None:
    raise MediaError("This file is odd.")


def failed(running: Running, **fields: str) -> str:
    job_id = running.submit("odd.png", **fields)
    assert running.finished(job_id)["status"] == "failed"
    return job_id


def test_a_retry_goes_on_with_what_a_failed_job_has_done(start: Start) -> None:
    executor = Piecewise(pieces=2, end=broken)
    running = start(executor)
    job_id = failed(running)
    kept = work_of(running)
    assert len(kept) == 2 and kept[0].parts[-3] == job_id
    assert running.get("/health").json()["kept_bytes"] > 2 * len(b"packets")
    running.service.stop()
    # The next start finds that they are those of a failed job.
    executor = Piecewise(pieces=0)
    running = start(executor)
    assert work_of(running) == kept and running.get("/health").json()["kept_bytes"] > 0
    again = running.post(f"/api/tasks/{job_id}/retry").json()["task_id"]
    assert running.finished(again)["status"] == "completed"
    assert executor.found == [2] and executor.retried == [True] and work_of(running) == []
    assert running.get("/health").json()["kept_bytes"] == 0
    assert not list(running.outputs.glob(".work/*/*"))


def test_a_job_run_again_in_another_way_has_what_a_failed_one_has_done(start: Start) -> None:
    executor = Piecewise(end=broken)
    running = start(executor)
    job_id = failed(running)
    executor.end = lambda: None
    again = running.post(f"/api/tasks/{job_id}/again", json={"priority": "high"}).json()["task_id"]
    assert running.finished(again)["status"] == "completed"
    # Of a completed one there is nothing to go on with, and a second retry of the failed one begins anew.
    for former in (again, job_id):
        third = running.post(f"/api/tasks/{former}/again", json={}).json()["task_id"]
        assert running.finished(third)["status"] == "completed"
    assert executor.found == [0, 1, 0, 0]


def test_a_failed_job_that_has_finished_nothing_leaves_nothing(start: Start) -> None:
    running = start(Piecewise(pieces=0, end=broken))
    failed(running)
    assert not list(running.outputs.glob(".work/*/*"))


def test_what_is_kept_goes_with_the_failed_job(start: Start) -> None:
    executor = Piecewise(end=broken)
    running = start(executor)
    job_id, other = failed(running), failed(running)
    assert len(work_of(running)) == 2
    assert running.delete(f"/api/tasks/{job_id}").status_code == 200
    assert [path.parts[-3] for path in work_of(running)] == [other]
    # A retry that waits needs it.
    executor.end, executor.pieces = (lambda: None), 0
    executor.gate.clear()
    executor.running.clear()
    running.submit("before.png")
    assert executor.running.wait(PATIENCE_S)
    again = running.post(f"/api/tasks/{other}/retry").json()["task_id"]
    assert running.delete(f"/api/tasks/{other}").status_code == 200
    assert len(work_of(running)) == 1
    executor.gate.set()
    assert running.finished(again)["status"] == "completed"
    assert executor.found[-1] == 1


def test_what_is_kept_goes_when_results_do(start: Start) -> None:
    running = start(Piecewise(end=broken), SEEDVR2_JOBS_OUTPUTS_DAYS="2")
    failed(running)
    retention = running.service._parts.retention
    retention.apply(time.time() + DAY_S)
    assert len(work_of(running)) == 1
    retention.apply(time.time() + 3 * DAY_S)
    assert work_of(running) == []


def test_an_orderly_stop_keeps_segments_and_a_cancel_removes_them(start: Start) -> None:
    executor = Piecewise()
    executor.gate.clear()
    running = start(executor)
    job_id = running.submit()
    assert executor.running.wait(PATIENCE_S)
    running.service.stop()
    assert len(work_of(running)) == 1
    blocked = Piecewise(pieces=0)
    blocked.gate.clear()
    running = start(blocked)
    assert blocked.running.wait(PATIENCE_S)
    assert blocked.found == [1] and len(work_of(running)) == 1
    # One that waits, as after a start: nobody takes its segments away but whoever cancels it.
    waiting = running.submit("other.png")
    (folder,) = running.outputs.glob(f".work/*/{job_id}")
    shutil.copytree(folder, folder.with_name(waiting))
    assert len(work_of(running)) == 2
    assert running.post(f"/api/tasks/{waiting}/cancel").status_code == 200
    assert len(work_of(running)) == 1
    assert running.post(f"/api/tasks/{job_id}/cancel").status_code in (200, 202)
    assert running.finished(job_id)["status"] == "cancelled"
    assert work_of(running) == []


def test_a_full_disk_keeps_segments(start: Start) -> None:
    def full() -> None:
        if not refused:
            refused.append(True)
            raise MachineError("The disk is full.", errno.EIO)

    refused: list[bool] = []
    executor = Piecewise(end=full)
    running = start(executor)
    assert running.finished(running.submit())["status"] == "completed"
    assert executor.found == [0, 1]


def test_the_engine_goes_on_where_the_service_was_stopped(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "frames_at_a_time", lambda *_args, **_more: 6)
    settings = ModelSettings(device="cpu", dtype="float32")
    clip = write_video(tmp_path / "clip.mp4", list(pixels(scene(1, 40, step=1))))
    options = UpscaleOptions(resolution=64)
    whole = Upscaler(tmp_path / "none", device="cpu", dtype="float32").upscale(clip, tmp_path / "whole.mp4", options)
    running = start(LocalExecutor(tmp_path / "none", settings))
    job_id = running.submit("clip.mp4", clip.read_bytes(), resolution="64")
    eventually(lambda: len(work_of(running)) >= 2, 60)
    running.service.stop()
    assert len(work_of(running)) >= 2
    running = start(LocalExecutor(tmp_path / "none", settings))
    seen: list[int] = []
    running.service.context.hub.listen(
        lambda event: seen.append(event.progress.frames_done) if event.progress else None
    )
    assert eventually(lambda: running._if_finished(job_id), 60)["status"] == "completed"
    assert not seen or seen[0] >= 6
    (result,) = running.outputs.glob("clip_nano_*.mp4")
    assert coded(result) == coded(whole.path)
    assert work_of(running) == []


def coded(path: Path) -> list[tuple[int | None, bytes]]:
    with av.open(str(path)) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux(video=0)]
