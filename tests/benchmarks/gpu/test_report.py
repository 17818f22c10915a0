"""The report: JSON with everything, a table to look at."""

from __future__ import annotations

import json
import math
from pathlib import Path

from benchmarks.gpu import report
from benchmarks.gpu.rows import Row, equal, measured, not_run
from benchmarks.gpu.runner import StepResult

ROWS = (
    measured("VAE 1080p × 5: encode", 23.61234, "GiB"),
    measured("VAE 1080p × 5: decode", 41.5, "GiB", most=40),
    not_run("7B fp16", "the card cannot hold the weights"),
    equal("frames", 10, 10),
    Row("broken", "ValueError", tolerance="no error", ok=False, note="Traceback…\nValueError: a | b"),
    measured("speed", math.nan, "s"),
)
RESULTS = [StepResult(4, "Peaks of memory", 12.34, ROWS)]


def test_the_json_holds_every_row_and_is_plain_json(tmp_path: Path) -> None:
    report.write(tmp_path / "new", RESULTS, device="A card", small=False, complete=True)
    found = json.loads((tmp_path / "new" / "check-gpu.json").read_text(), parse_constant=lambda name: 1 / 0)
    assert (found["device"], found["passed"], found["complete"]) == ("A card", False, True)
    assert found["counts"] == {"ok": 2, "failed": 3, "not_run": 1}
    (step,) = found["steps"]
    assert step["rows"][1] == {
        "name": "VAE 1080p × 5: decode", "value": 41.5, "unit": "GiB", "tolerance": "≤ 40", "ok": False, "note": ""
    }  # fmt: skip
    assert step["rows"][4]["note"].endswith("a | b")
    assert step["rows"][5]["value"] == "nan"


def test_the_table_has_a_line_for_each_subject_which_is_as_good_as_its_worst_row() -> None:
    lines = report.table(RESULTS, device="A card", small=True).splitlines()
    assert lines[0] == "# A card, tiny sizes"
    assert "| | VAE 1080p × 5 | encode 23.61 GiB; **decode 41.5 GiB (≤ 40)** | **FAIL** |" in lines
    assert "| | 7B fp16 | the card cannot hold the weights | not run |" in lines
    assert "| | frames | 10 (= 10) | ok |" in lines
    assert all(line.count("|") == 5 for line in lines if line.startswith("|"))


def test_rows_that_were_not_run_do_not_fail() -> None:
    assert report.passed([StepResult(1, "x", 0, (not_run("a", "b"), equal("c", 1, 1)))])
    assert not report.passed(RESULTS)
