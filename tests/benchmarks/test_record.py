from __future__ import annotations

import pytest

from benchmarks.findings import findings
from benchmarks.peaks import better
from benchmarks.record import line


def test_the_share_is_of_what_is_necessary_and_of_this_runs_peak() -> None:
    figures = {"seconds": 4.0, "best_of": 2, "necessary_tflop": 1.0, "matmul_tflops": 0.5, "load_s": 1.5}
    record = line("case", figures, {"cpu": "A"}, 0.25)
    assert record["share_of_peak"] == pytest.approx(0.5)
    assert (record["load_average"], record["load_s"], record["cpu"]) == (0.25, 1.5, "A")


def test_there_is_no_share_where_the_necessary_is_not_known() -> None:
    record = line("case", {"seconds": 4.0, "best_of": 2, "necessary_tflop": None, "matmul_tflops": 0.5}, {}, 0.0)
    assert record["share_of_peak"] is None


def test_of_two_peaks_the_higher_counts() -> None:
    assert better({"a": 1.0, "b": 4.0}, {"a": 2.0, "b": 3.0}) == {"a": 2.0, "b": 4.0}


def test_what_cases_say_together() -> None:
    records = {
        "resize-720p": {"seconds": 0.01},
        "nano-720p-auto": {"s_per_frame": 1.5},
        "frames-5": {"frames": 5, "peak_mb": 400},
        "frames-257": {"frames": 257, "peak_mb": 420},
        "memory-50": {"frames": 50, "peak_mb": 400},
    }
    assert list(findings(records)) == [
        "257 frames take 1.050 times the memory of 5.",
        "nano-720p-auto: a frame takes as long as 150 bicubic resizes.",
    ]
    assert list(findings({})) == []


def test_a_case_that_was_disturbed_is_told() -> None:
    (told,) = findings({"a": {"others_cores": 0.9, "cores": 2}, "b": {"others_cores": 0.1, "cores": 2}})
    assert told.startswith("a: other programs kept 0.9 of 2 cores busy")
