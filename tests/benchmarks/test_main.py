from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.machine import ROOT


def test_the_cases_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out.split()
    assert {"vae-1x384-encode", "7b-Q4_K_M-720p-2", "job-3b-clip-service", "frames-257", "pixels-8", "service"} <= set(
        listed
    )
    assert main(["--list", "vae"]) == 0
    assert all(name.startswith("vae") for name in capsys.readouterr().out.split())


def test_an_unknown_case_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "nothing" in capsys.readouterr().err


def test_only_networks_of_a_commit_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "--against", "HEAD"]) == 2
    assert "Only networks" in capsys.readouterr().err
    assert main(["vae-1x384", "--against", "no-such-commit"]) == 2
    assert "no-such-commit" in capsys.readouterr().err


@pytest.mark.long
def test_a_case_is_printed_recorded_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    file = tmp_path / "history.jsonl"
    assert main(["resize-720p", "--record", "--history", str(file)]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["case"] == "resize-720p"
    assert [json.loads(line) for line in file.read_text().splitlines()] == [first]
    # As if it had taken a thousandth of the time and memory before.
    file.write_text(
        json.dumps({**first, "seconds": first["seconds"] / 1000, "peak_mb": first["peak_mb"] / 1000}) + "\n"
    )
    assert main(["resize-720p", "--history", str(file)]) == 0
    told = capsys.readouterr().err
    assert "resize-720p is" in told and "slower than at" in told
    assert "more memory than at" in told
    assert len(file.read_text().splitlines()) == 1


@pytest.mark.long
def test_a_case_that_fails_is_told_and_leaves_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SEEDVR2_BENCH_MODELS", str(tmp_path / "file"))
    assert main(["load-3b-Q4_K_M", "resize-720p", "--history", str(tmp_path / "history.jsonl")]) == 1
    output = capsys.readouterr()
    assert json.loads(output.out)["case"] == "resize-720p"
    assert "load-3b-Q4_K_M failed" in output.err
