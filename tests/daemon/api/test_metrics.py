"""The Prometheus exposition."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from daemon.api.context import Context
from daemon.api.metrics import exposition
from seedvr2 import __version__
from tests.daemon.conftest import Running, Start, eventually

OPEN = "application/openmetrics-text"


def values(text: str) -> dict[str, float]:
    return {
        sample.name + "".join(f"|{label}" for label in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counts_are_true_and_every_line_can_be_read(running: Running) -> None:
    running.finished(running.submit())
    running.executor.errors.append(ValueError())
    running.finished(running.submit())
    answer = running.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    read = values(answer.text)
    assert read["seedvr2_jobs_finished_total|completed"] == 1
    assert read["seedvr2_jobs_finished_total|failed"] == 1
    assert read["seedvr2_jobs_submitted_total|api"] == 2
    assert read["seedvr2_frames_total|nano.safetensors"] == 4
    assert read["seedvr2_job_duration_seconds_bucket|+Inf"] == read["seedvr2_job_duration_seconds_bucket|14400.0"] == 1
    assert read["seedvr2_job_duration_seconds_count"] == 1
    assert read["seedvr2_queue_length"] == 0
    assert read["seedvr2_jobs|completed"] == read["seedvr2_jobs|failed"] == 1
    assert read["seedvr2_last_success_timestamp_seconds"] > 1e9
    assert read["seedvr2_resident_memory_bytes"] > 1e7
    assert read[f"seedvr2_info|{__version__}"] == 1
    names = [line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)) >= 18
    assert all(name.startswith("seedvr2_") and not name.endswith("_created") for name in names)
    # Dashboards and rules know them by these names and kinds.
    assert (
        "# HELP seedvr2_jobs_submitted_total Jobs taken in\n# TYPE seedvr2_jobs_submitted_total counter" in answer.text
    )


def test_openmetrics_is_sent_to_who_asks_for_it(running: Running) -> None:
    running.finished(running.submit())
    answer = running.get("/metrics", headers={"Accept": f"{OPEN};version=1.0.0,text/plain;version=0.0.4;q=0.5"})
    assert answer.headers["Content-Type"].startswith(f"{OPEN}; version=1.0.0; charset=utf-8")
    families = {family.name: family for family in openmetrics.text_string_to_metric_families(answer.text)}
    assert families["seedvr2_jobs_submitted"].type == "counter"
    assert families["seedvr2"].samples[0].labels == {"version": __version__}
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize("accept", ["", "*/*", f"{OPEN};version=new", f"{OPEN};version=", "text/plain;version=x.y"])
def test_who_asks_for_nonsense_gets_a_format_that_there_is(running: Running, accept: str) -> None:
    answer = running.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200 and "seedvr2_uptime_seconds" in answer.text


def test_a_model_of_any_name_can_be_told_of(running: Running) -> None:
    running.executor.model = 'a"b\\c\nd\udcff.gguf'
    text = exposition(running.service.context)[0].decode()
    assert 'seedvr2_model_loaded{model="a\\"b\\\\c\\nd?.gguf"} 1.0' in text
    assert values(text)['seedvr2_model_loaded|a"b\\c\nd?.gguf'] == 1


def problems_counted(running: Running) -> int:
    (line,) = [line for line in running.get("/metrics").text.splitlines() if line.startswith("seedvr2_problems ")]
    return int(float(line.split()[1]))


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
