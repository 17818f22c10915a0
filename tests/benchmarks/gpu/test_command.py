"""The command, in a process where nothing but torch, numpy and safetensors can be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import main

ROOT = Path(__file__).parents[3]
# Every other package that the project depends on, and what its tests need beside them.
ABSENT = (
    *("av", "bottle", "flask_swagger_ui", "gguf", "huggingface_hub", "mcp", "pynvml", "PIL", "multipart", "tinydb"),
    *("waitress", "watchdog", "pytest", "hypothesis", "requests", "playwright", "schemathesis"),
)
BARE = f"""
import sys
sys.modules.update(dict.fromkeys({ABSENT!r}))  # None there means: cannot be found
from benchmarks.gpu.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def run_bare(folder: Path, *arguments: str) -> tuple[int, dict, str]:
    command = [sys.executable, "-c", BARE, "--small", "--out", str(folder), *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = folder / "check-gpu.json"
    return ended.returncode, json.loads(report.read_text()) if report.exists() else {}, ended.stdout + ended.stderr


@pytest.mark.long
def test_steps_that_were_asked_for_run_with_torch_alone(tmp_path: Path) -> None:
    status, report, said = run_bare(tmp_path, "--only", "1,5")
    assert status == 0, said
    assert [step["number"] for step in report["steps"]] == [1, 5]
    assert report["small"] and report["complete"] and report["passed"]


@pytest.mark.long
def test_all_steps_run_with_torch_alone(tmp_path: Path) -> None:
    # The processor is shared: no step is to fail for want of time.
    status, report, said = run_bare(tmp_path, "--patience", "10")
    assert status == 0, said
    assert [step["number"] for step in report["steps"]] == list(range(1, 12))
    assert report["counts"]["failed"] == 0
    # The service needs its packages.
    left_out = [row for step in report["steps"] for row in step["rows"] if row["ok"] is None]
    assert [row["name"] for row in left_out] == ["the service"]
    assert "not installed here: av, bottle" in left_out[0]["note"]
    assert "# The processor, tiny sizes" in (tmp_path / "check-gpu.md").read_text()


def test_a_row_out_of_tolerance_makes_the_command_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.gpu.cards.random_frames", lambda *_given: [])
    assert main(["--small", "--out", str(tmp_path), "--only", "5"]) == 1
    assert "FAIL" in capsys.readouterr().out
    assert json.loads((tmp_path / "check-gpu.json").read_text())["passed"] is False


@pytest.mark.long
def test_each_step_is_in_the_report_as_soon_as_it_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, bool]] = []
    write = main.__globals__["report"].write

    def noting(folder: Path, results: list, **facts: object) -> None:
        write(folder, results, **facts)
        written = json.loads((folder / "check-gpu.json").read_text())
        seen.append((len(written["steps"]), written["complete"]))

    monkeypatch.setattr(main.__globals__["report"], "write", noting)
    assert main(["--small", "--out", str(tmp_path), "--only", "1,5"]) == 0
    assert seen == [(1, False), (2, True)]


def test_a_step_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--small", "--out", str(tmp_path), "--only", "12"])
    assert caught.value.code == 2
    assert not list(tmp_path.iterdir())
