"""`POST /api/plan`: what a task would take, of a file, a task, or a source of which only the size is told."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.runs import CLIP
from tests.daemon.conftest import Running, Start, eventually


def _plan(running: Running, **fields: Any) -> dict[str, Any]:
    answer = running.post("/api/plan", json=fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_film_that_is_not_here_is_planned(running: Running) -> None:
    plan = _plan(running, width=640, height=360, frames=7200, resolution=1080)
    assert (plan["output_width"], plan["output_height"]) == (1920, 1080)
    assert (plan["seconds"], plan["measured"]) == (14400, False)
    assert (plan["fits"], plan["why"], plan["output_format"]) == (True, None, "mp4")
    assert (plan["model"], plan["wait_s"], plan["task_id"]) == ("nano.safetensors", 0, None)
    [(media, options, _model, suffix, _size, timed)] = running.executor.foreseen
    assert (media.kind, media.frames, options.resolution, suffix, timed) == ("video", 7200, 1080, ".mp4", True)


def test_what_does_not_fit_says_why(running: Running) -> None:
    plan = _plan(running, width=4096, height=2160, frames=7200)
    assert plan["fits"] is False
    assert plan["why"] == "It takes too much memory; use a smaller resolution."


def test_a_file_is_planned_and_not_kept(running: Running) -> None:
    answer = running.post("/api/plan", files={"file": ("clip.mp4", CLIP.read_bytes())}, data={"scale": "2"})
    plan = answer.json()
    assert answer.status_code == 200, plan
    assert (plan["output_width"], plan["output_height"]) == (plan["width"] * 2, plan["height"] * 2)
    assert running.executor.foreseen[0][4] == CLIP.stat().st_size
    assert list(running.service.context.uploads.iterdir()) == []


def test_a_waiting_task_is_planned_beside_a_running_one_by_its_own_parameters(running: Running) -> None:
    running.executor.gate.clear()
    running.submit("first.png")
    second = running.submit("second.png", resolution=96)
    eventually(lambda: running.service.worker.current)
    plan = _plan(running, task_id=second)
    assert (plan["task_id"], plan["output_width"], plan["output_height"]) == (second, 128, 96)
    # Measuring the device would hold up the one that runs.
    assert plan["seconds"] is None
    assert running.executor.foreseen[0][-1] is False
    running.executor.gate.set()


def test_a_plan_and_the_queue_count_on_the_same_time(running: Running) -> None:
    size = {"width": 32, "height": 24, "resolution": 48}
    seconds = _plan(running, **size)["seconds"]
    running.executor.gate.clear()
    first = running.submit("first.png", resolution=48)
    second = running.submit("second.png", resolution=48)
    asked = running.get(f"/api/queue/position/{second}").json()
    assert asked["estimated_wait"] == pytest.approx(2 * seconds, abs=1)
    running.executor.gate.set()
    for task in (first, second):
        running.finished(task)
    now = _plan(running, **size)
    assert now["measured"] and now["seconds"] < seconds


def test_a_disk_without_room_is_told(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.api.plan.free_bytes", lambda _folder: 9000)
    plan = _plan(running, width=64, height=48, frames=10)
    assert plan["fits"] is None
    assert plan["why"].startswith("The result takes about 0 MB of the disk of the results")
    monkeypatch.setattr("daemon.api.plan.free_bytes", lambda _folder: 9)
    assert _plan(running, width=64, height=48, frames=10)["fits"] is False


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({}, None, "Send either the field 'file'"),
        ({"width": 10}, "height", "Send either the field 'file'"),
        ({"width": 10, "height": 0}, "height", "height takes a whole number from 1 to 1048576, not '0'."),
        ({"width": "10", "height": True}, "height", "height takes a whole number from 1 to 1048576, not 'True'."),
        ({"width": 10, "height": 10, "task_id": "3f9a1c07"}, None, "Send either the field 'file'"),
        ({"width": 10, "height": 10, "resolution": 12}, "resolution", "resolution takes a whole number from 16"),
        ({"width": 10, "height": 10, "output_format": "mp4"}, "output_format", "A picture cannot be written as mp4."),
    ],
)
def test_what_is_wrong_is_named(running: Running, fields: dict[str, Any], field: str | None, sentence: str) -> None:
    answer = running.post("/api/plan", json=fields)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(sentence)
    assert answer.json().get("detail", {}).get("field") == field


def test_an_unknown_model_or_task_is_not_found(running: Running) -> None:
    for fields in ({"width": 9, "height": 9, "dit_model": "seedvr9"}, {"task_id": "3f9a1c07"}):
        assert running.post("/api/plan", json=fields).status_code == 404


def test_the_document_describes_it(start: Start) -> None:
    document = start().get("/openapi.json").json()
    operation = document["paths"]["/api/plan"]["post"]
    assert operation["operationId"] == "plan_task"
    assert {"file", "task_id", "width", "height", "frames", "resolution"} <= set(
        document["components"]["schemas"]["PlanForm"]["properties"]
    )
