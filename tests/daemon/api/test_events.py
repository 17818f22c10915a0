"""Event streams: what happens arrives, streams end with their task, and they do not starve anybody."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import requests

from daemon.jobs.job import State
from daemon.outside.events import Event
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually


def events(answer: requests.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = ""
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, json.loads(line.removeprefix("data: "))


def test_a_task_tells_its_story_and_the_stream_ends(running: Running) -> None:
    running.executor.gate.clear()
    job_id = running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    with running.get(f"/api/tasks/{job_id}/events", stream=True) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        story = events(answer)
        assert next(story)[1]["status"] == "processing"
        running.executor.gate.set()
        rest = list(story)
    kind, last = rest[-1]
    assert (kind, last["status"], last["progress"]) == ("state", "completed", 100)
    percents = [data["progress"] for _, data in rest]
    assert percents == sorted(percents)
    assert all(data["id"] == job_id for _, data in rest)


def test_a_finished_task_says_so_at_once(running: Running) -> None:
    job_id = running.submit()
    running.finished(job_id)
    with running.get(f"/api/tasks/{job_id}/events", stream=True) as answer:
        assert [data["status"] for _, data in events(answer)] == ["completed"]


def test_an_unknown_task_is_404(running: Running) -> None:
    assert running.get("/api/tasks/deadbeef/events").status_code == 404


def test_the_stream_of_all_tasks(running: Running) -> None:
    with running.get("/api/events", stream=True) as answer:
        story = events(answer)
        job_id = running.submit()
        seen = []
        for _, data in story:
            seen.append((data["id"], data["status"]))
            if data["status"] == "completed":
                break
    assert seen[0] == (job_id, "queued")
    assert set(seen) == {(job_id, "queued"), (job_id, "processing"), (job_id, "completed")}


def test_twenty_streams_do_not_starve_a_submit_and_one_too_many_is_refused(start: Start) -> None:
    running = start(SEEDVR2_SERVER_MAX_STREAMS="20", SEEDVR2_SERVER_THREADS="4")
    streams = [running.get("/api/events", stream=True) for _ in range(20)]
    try:
        assert all(stream.status_code == 200 for stream in streams)
        refused = running.get("/api/events")
        assert refused.status_code == 503
        assert "Retry-After" in refused.headers
        assert running.finished(running.submit())["status"] == "completed"
    finally:
        for stream in streams:
            stream.close()
    # A stream whose client went away gives its place back.
    with eventually(lambda: _open(running)) as answer:
        assert answer.status_code == 200


def _open(running: Running) -> requests.Response | None:
    answer = running.get("/api/events", stream=True)
    if answer.status_code == 200:
        return answer
    answer.close()
    return None


def test_streams_end_when_the_service_stops(start: Start) -> None:
    running = start()
    with running.get("/api/events", stream=True) as answer:
        running.service.stop()
        assert list(events(answer)) == []


def test_a_task_is_never_heard_to_wait_after_it_was_heard_to_run(running: Running) -> None:
    heard: dict[str, list[Event]] = defaultdict(list)
    running.service.context.hub.listen(lambda event: heard[event.job.id].append(event))
    for _ in range(20):
        running.finished(running.submit())
    for events in heard.values():
        states = [event.job.state for event in events]
        assert states == sorted(states, key=[State.QUEUED, State.PROCESSING, State.COMPLETED].index)
        assert all(event.job.started_at is not None for event in events if event.progress)
