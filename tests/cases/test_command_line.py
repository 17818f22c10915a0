"""Every case file through the command line, with the embedded model."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedvr2.cli import main
from tests.cases.outcome import Outcome, problems
from tests.cases.table import CASES, FOLDER, RUNS, SHORT_EDGE, Case


@pytest.mark.parametrize(("case", "wanted"), RUNS, ids=[f"{case.name}-{wanted}" for case, wanted in RUNS])
def test_a_case_file_comes_out_right(
    case: Case, wanted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--resolution", str(SHORT_EDGE), "--output-format", wanted, "--model", "nano", "--dtype", "float32")
    status = main(["upscale", str(case.path), str(tmp_path), "--quiet", *options])
    said = capsys.readouterr().err.strip()
    results = list(tmp_path.iterdir())
    if status:
        assert not results, f"a job that failed has left {results}"
        outcome = Outcome(None, error=said)
    else:
        lines = [line.removeprefix(f"{case.name}: ") for line in said.splitlines()]
        outcome = Outcome(results[0], tuple(lines))
    assert "Traceback" not in said
    assert not (found := problems(case, wanted, outcome)), "\n".join(found)


def test_the_table_names_every_case_file_once() -> None:
    names = [case.name for case in CASES]
    assert sorted(names) == sorted(each.name for each in FOLDER.iterdir() if each.suffix != ".md")
