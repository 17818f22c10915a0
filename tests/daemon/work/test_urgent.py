"""Calls that cannot wait for the running job: it makes room for them, and goes on."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from daemon.engine.executor import Executor
from daemon.engine.local_executor import LocalExecutor
from daemon.errors import RequestError
from daemon.settings.keys import ModelSettings
from seedvr2 import UpscaleOptions, Upscaler
from seedvr2 import attempts as engine
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually
from tests.daemon.executors import FakeExecutor
from tests.daemon.work.test_segments import coded, work_of
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene


def test_a_running_picture_makes_room_and_is_done_afterwards(running: Running) -> None:
    running.executor.gate.clear()
    job_id = running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    during: list[str | None] = []

    def call(executor: Executor) -> str:
        during.append(running.get(f"/api/status/{job_id}").json()["status"])
        assert isinstance(executor, FakeExecutor)
        executor.gate.set()
        return "seen"

    assert running.service.worker.urgent(call).result(PATIENCE_S) == "seen"
    assert during == ["queued"]
    assert running.finished(job_id)["status"] == "completed"
    assert len(running.executor.runs) == 2
    assert running.history()[0].starts == 1


def test_what_an_urgent_call_raises_reaches_who_asked_and_nobody_else(running: Running) -> None:
    def fail(_executor: Executor) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        running.service.worker.urgent(fail).result(PATIENCE_S)
    assert running.finished(running.submit())["status"] == "completed"


def test_an_urgent_call_that_was_taken_back_is_not_made(running: Running) -> None:
    held, begun = threading.Event(), threading.Event()

    def hold(_executor: Executor) -> None:
        begun.set()
        held.wait(PATIENCE_S)

    first = running.service.worker.urgent(hold)
    assert begun.wait(PATIENCE_S)
    made: list[int] = []
    second = running.service.worker.urgent(lambda _executor: made.append(1))
    assert second.cancel()
    held.set()
    first.result(PATIENCE_S)
    running.service.worker.urgent(lambda _executor: None).result(PATIENCE_S)
    assert made == []


def test_a_stopped_worker_and_a_machine_in_trouble_refuse_urgent_calls(running: Running) -> None:
    worker = running.service.worker
    worker._board.paused = "the disk of the outputs is full"
    with pytest.raises(RequestError, match="computed now: the disk of the outputs is full"):
        worker.urgent(lambda _executor: None)
    worker._board.paused = ""
    worker.stop(PATIENCE_S)
    with pytest.raises(RequestError, match="worker has stopped"):
        worker.urgent(lambda _executor: None)


def test_a_film_goes_on_after_an_urgent_call_and_its_frames_are_the_same(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "frames_at_a_time", lambda *_args, **_more: 6)
    settings = ModelSettings(device="cpu", dtype="float32")
    clip = write_video(tmp_path / "clip.mp4", list(pixels(scene(1, 40, step=1))))
    options = UpscaleOptions(resolution=64)
    whole = Upscaler(tmp_path / "none", device="cpu", dtype="float32").upscale(clip, tmp_path / "whole.mp4", options)
    running = start(LocalExecutor(tmp_path / "none", settings))
    job_id = running.submit("clip.mp4", clip.read_bytes(), resolution="64")
    found = []
    for count in (1, 3):
        eventually(lambda count=count: len(work_of(running)) >= count)  # type: ignore[misc]
        done = running.service.worker.urgent(lambda _executor: running.get(f"/api/status/{job_id}").json())
        found.append(done.result(PATIENCE_S)["status"])
    assert found == ["queued", "queued"]
    assert running.finished(job_id)["status"] == "completed"
    (result,) = running.outputs.glob("clip_nano_*.mp4")
    assert coded(result) == coded(whole.path)
