"""A queue that is held on purpose: paused on request, or outside of its hours."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from seedvr2 import attempts as engine
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually
from tests.daemon.executors import FakeExecutor
from tests.daemon.work.test_borders import SEGMENT, SIZE, begin
from tests.daemon.work.test_segments import work_of
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene

PAUSED = "the queue is paused; resume it to go on"


def status(running: Running) -> dict[str, object]:
    answer: dict[str, object] = running.get("/api/queue/status").json()
    return answer


def test_a_paused_queue_begins_nothing_until_it_is_resumed_also_after_a_restart(start: Start) -> None:
    running = start()
    answer = running.post("/api/queue/pause")
    assert answer.json() == {"status": "paused", "reason": PAUSED, "held_by": "request", "held_until": None}
    job_id = running.submit()
    assert (status(running)["paused"], status(running)["held_by"]) == (PAUSED, "request")
    assert running.get(f"/api/status/{job_id}").json()["waiting_for"] == PAUSED
    health = running.get("/health")
    assert health.status_code == 200 and health.json()["queue_held"] == PAUSED and health.json()["problems"] == []
    assert 'seedvr2_queue_held{by="request"} 1' in running.get("/metrics").text
    running.service.stop()
    running = start()
    assert status(running)["held_by"] == "request"
    assert running.executor.runs == []
    resumed = running.post("/api/queue/resume").json()
    assert resumed == {"status": "running", "reason": None, "held_by": None, "held_until": None}
    assert running.finished(job_id)["status"] == "completed"
    running.service.stop()
    assert status(start())["paused"] is None


@pytest.mark.parametrize("body", [{"json": {"now": True}}, {"data": {"now": "true"}}, {"data": '{"now": true}'}])
def test_now_stops_a_picture_which_is_made_anew(running: Running, body: dict[str, object]) -> None:
    running.executor.gate.clear()
    job_id = running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    assert running.post("/api/queue/pause", **body).json()["status"] == "paused"
    eventually(lambda: running.get(f"/api/status/{job_id}").json()["status"] == "queued")
    running.executor.gate.set()
    running.post("/api/queue/resume")
    assert running.finished(job_id)["status"] == "completed"
    assert len(running.executor.runs) == 2


def test_without_now_a_picture_runs_to_its_end(running: Running) -> None:
    running.executor.gate.clear()
    job_id, second = running.submit(), running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    running.post("/api/queue/pause")
    running.executor.gate.set()
    assert running.finished(job_id)["status"] == "completed"
    assert running.get(f"/api/status/{second}").json()["status"] == "queued"
    assert running.post(f"/api/tasks/{second}/cancel").json()["status"] == "cancelled"


@pytest.mark.parametrize(
    "body",
    [{"json": {"now": "soon"}}, {"json": {"now": 1}}, {"data": {"now": "soon"}}, {"data": "soon"}, {"json": [1]}],
)
def test_what_is_no_answer_to_now_is_refused(running: Running, body: dict[str, object]) -> None:
    assert running.post("/api/queue/pause", **body).status_code == 400
    assert status(running)["paused"] is None


@pytest.mark.parametrize("now", [False, True])
@pytest.mark.long
def test_a_film_stops_and_goes_on_from_its_segments(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: bool
) -> None:
    monkeypatch.setattr(engine, "frames_at_a_time", lambda *_args, **_more: SEGMENT)
    film = write_video(tmp_path / "film.mp4", list(pixels(scene(1, 60, step=1))))
    running = begin(start, tmp_path)
    job_id = running.submit("film.mp4", film.read_bytes(), resolution=SIZE)
    eventually(lambda: work_of(running))
    running.post("/api/queue/pause", json={"now": now})
    eventually(lambda: running.get(f"/api/status/{job_id}").json()["status"] == "queued")
    kept, waiting = len(work_of(running)), running.get(f"/api/status/{job_id}").json()
    assert waiting["waiting_for"] == f"{PAUSED}; {kept} of 10 segments are done"
    assert 1 <= kept < 10 and waiting["progress"] >= 8 * kept
    running.post("/api/queue/resume")
    assert running.finished(job_id)["status"] == "completed"


def test_outside_of_its_hours_it_waits_and_says_until_when(start: Start) -> None:
    begins = (datetime.now() + timedelta(hours=2)).replace(second=0, microsecond=0)
    span = f"{begins:%H:%M}-{begins + timedelta(hours=1):%H:%M}"
    running = start(FakeExecutor(), SEEDVR2_QUEUE_HOURS=span)
    job_id = running.submit()
    told = status(running)
    assert told["paused"] == f"the queue runs at {span} only; it goes on at {begins:%H:%M}"
    assert told["held_by"] == "hours"
    until = datetime.fromisoformat(str(told["held_until"])).timestamp()
    assert abs(until - begins.timestamp()) < 1 < until - time.time()
    # Whoever resumes it hears that this is not why.
    assert running.post("/api/queue/resume").json()["held_by"] == "hours"
    assert running.get(f"/api/status/{job_id}").json()["status"] == "queued"
    running.service.worker.hold._clock = lambda: begins
    assert running.finished(job_id)["status"] == "completed"
