from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import history

BEFORE = {
    "case": "vae", "seconds": 2.0, "matmul_tflops": 1.0, "peak_mb": 1000, "dtype": "bfloat16", "cpu": "A", "cores": 2,
    "instructions": "AVX2", "commit": "abc", "date": "2026-01-02T03:04:05+00:00",
}  # fmt: skip


def told(*earlier: dict[str, Any], **now: Any) -> list[str]:
    return list(history.worsened({**BEFORE, **now}, [*earlier] or [BEFORE]))


def test_a_slower_case_is_told_with_what_it_is_compared_with() -> None:
    assert told(seconds=2.2) == ["vae is 10 % slower than at abc on 2026-01-02, by each run's own peak."]


def test_noise_and_progress_are_not_told() -> None:
    assert told(seconds=2.08, peak_mb=1040) == []
    assert told(seconds=1.0, peak_mb=500) == []


def test_a_machine_that_is_slower_today_does_not_make_the_case_slower() -> None:
    assert told(seconds=4.0, matmul_tflops=0.5) == []
    assert len(told(seconds=2.0, matmul_tflops=1.2)) == 1


def test_more_memory_is_told() -> None:
    assert told(peak_mb=1100) == ["vae takes 10 % more memory than at abc on 2026-01-02."]


def test_other_processors_and_other_cases_are_not_compared() -> None:
    assert told(seconds=9.0, cpu="B") == []
    assert told(seconds=9.0, cores=4) == []
    assert told(seconds=9.0, case="other") == []


def test_another_type_is_said_and_not_compared() -> None:
    assert told(seconds=9.0, dtype="float32") == [
        "vae computes in float32, bfloat16 then, so its time is not compared."
    ]


def test_the_last_record_of_the_processor_counts() -> None:
    slow = {**BEFORE, "seconds": 4.0}
    elsewhere = {**BEFORE, "seconds": 1.0, "cpu": "B"}
    assert told(BEFORE, slow, elsewhere, seconds=4.0) == []
    assert len(told(slow, BEFORE, elsewhere, seconds=4.0)) == 1


def test_records_are_added_and_read(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    assert history.read(path) == []
    history.append([BEFORE], path)
    history.append([{**BEFORE, "case": "other"}], path)
    assert [record["case"] for record in history.read(path)] == ["vae", "other"]
