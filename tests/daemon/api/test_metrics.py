"""The Prometheus exposition."""

from __future__ import annotations

import re

import pytest

from daemon.api.context import Context
from daemon.api.metrics import _escape
from tests.daemon.conftest import Running, Start, eventually

SAMPLE = re.compile(r'[a-z_0-9]+(\{[a-z]+="(?:[^"\\\n]|\\.)*"(,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? -?[0-9.e+-]+')


def test_every_line_is_valid_and_counts_are_true(running: Running) -> None:
    running.finished(running.submit())
    running.executor.errors.append(ValueError())
    running.finished(running.submit())
    answer = running.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    for line in lines:
        assert line.startswith(("# HELP ", "# TYPE ")) or SAMPLE.fullmatch(line.replace("+Inf", "9")), line
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values['seedvr2_jobs_finished_total{state="completed"}'] == "1"
    assert values['seedvr2_jobs_finished_total{state="failed"}'] == "1"
    assert values['seedvr2_jobs_submitted_total{source="api"}'] == "2"
    assert values['seedvr2_frames_total{model="nano.safetensors"}'] == "4"
    assert values['seedvr2_job_duration_seconds_bucket{le="+Inf"}'] == "1"
    assert values["seedvr2_queue_length"] == "0"
    assert float(values["seedvr2_resident_memory_bytes"]) > 1e7
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_labels_are_escaped() -> None:
    assert _escape('a"b\\c\nd') == 'a\\"b\\\\c\\nd'


def problems_counted(running: Running) -> int:
    (line,) = [line for line in running.get("/metrics").text.splitlines() if line.startswith("seedvr2_problems ")]
    return int(line.split()[1])


def test_problems_are_named_in_health_and_counted_here(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (running.get("/health").json()["problems"], problems_counted(running)) == ([], 0)
    named = ["The disk of the outputs is full.", "The inbox is not there."]
    monkeypatch.setattr(Context, "problems", lambda _context: named)
    assert (running.get("/health").json()["problems"], problems_counted(running)) == (named, 2)


def test_a_real_problem_is_told_while_the_service_serves(start: Start) -> None:
    running = start(SEEDVR2_JOBS_MIN_FREE_MB=str(1 << 40))
    eventually(lambda: running.get("/health").json()["problems"])
    answer = running.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "healthy")
    assert any("full" in text for text in answer.json()["problems"])
    assert problems_counted(running) == len(answer.json()["problems"])
