"""What the service does with the finished segments of a job: they outlive whatever it goes on after."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest

from daemon.engine.executor import OnProgress, Outcome
from daemon.engine.local_executor import LocalExecutor
from daemon.jobs.job import State
from daemon.settings.keys import ModelSettings
from daemon.work.ending import MAX_STARTS, POISON
from daemon.work.worker import Activity
from seedvr2 import UpscaleOptions, Upscaler
from seedvr2 import upscaler as engine
from seedvr2.errors import MachineError
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
    ) -> Outcome:
        keep.mkdir(exist_ok=True)
        journal = Journal(keep)
        done = len(journal.done)
        self.found.append(done)
        for index in range(done, done + self.pieces):
            journal.part(index).write_bytes(b"packets")
            journal.add(index, FRAMES)
        on_progress("restoring", (done + self.pieces) * FRAMES + 5, 1000, 0.1)
        self.end()
        return super().run(
            source, target, options, model=model, on_progress=on_progress, cancelled=cancelled, keep=keep
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
def test_a_job_that_finishes_a_segment_may_be_interrupted_as_often_as_power_fails(start: Start, tmp_path: Path) -> None:
    picture(tmp_path / "inbox" / "long.png")
    for attempt in range(MAX_STARTS + 2):
        executor = Piecewise(end=die)
        kill_once(start, executor)
        assert executor.found == [attempt]
    last = Piecewise(pieces=0)
    running = start(last)
    eventually((running.inbox / "_done" / "long.png").exists)
    assert last.found == [MAX_STARTS + 2] and work_of(running) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_finishes_none_is_given_up_and_its_segments_go(start: Start, tmp_path: Path) -> None:
    picture(tmp_path / "inbox" / "killer.png")
    kill_once(start, Piecewise(end=die))
    for _ in range(MAX_STARTS):
        kill_once(start, Piecewise(pieces=0, end=die))
    running = start()
    (job,) = eventually(running.history)
    assert (job.state, job.error) == (State.FAILED, POISON)
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
