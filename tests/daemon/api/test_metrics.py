"""The Prometheus exposition."""

from __future__ import annotations

import re

from daemon.api.metrics import _escape
from tests.daemon.conftest import Running

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
