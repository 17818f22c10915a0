"""Every case file on one real daemon, with the embedded model: by REST, and through the inbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.inbox.names import ERROR_SUFFIX
from daemon.inbox.scan import FAILED
from tests.cases.outcome import Outcome, problems
from tests.cases.table import RUNS, SHORT_EDGE
from tests.daemon.conftest import eventually
from tests.faults.lab import FINISHED, Daemon

pytestmark = pytest.mark.long

_ALL_S = 300.0


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path, settings={"SEEDVR2_MODEL_DTYPE": "float32"}, real=True)
    try:
        yield daemon.start()
        daemon.stop()
    finally:
        daemon.kill()


def test_every_case_file_comes_out_right_by_rest(daemon: Daemon, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    refused: dict[int, str] = {}
    accepted: dict[int, str] = {}
    for number, (case, wanted) in enumerate(RUNS):
        content = case.path.read_bytes()
        answer = daemon.offer(case.name, content, resolution=SHORT_EDGE, output_format=wanted)
        if answer.status_code == 200:
            accepted[number] = answer.json()["task_id"]
        else:
            assert answer.status_code == 400, answer.text
            refused[number] = answer.json()["error"]
    found: list[str] = []
    for number, (case, wanted) in enumerate(RUNS):
        if number in refused:
            outcome = Outcome(None, error=refused[number])
        else:
            outcome = _downloaded(daemon, accepted[number], folder, number)
        found += [f"{case.name} as {wanted}: {text}" for text in problems(case, wanted, outcome)]
    assert not daemon.health()["problems"]
    assert not found, "\n".join(found)


def test_every_case_file_comes_out_right_through_the_inbox(daemon: Daemon) -> None:
    names = [f"{number:02}_{case.name}" for number, (case, _) in enumerate(RUNS)]
    for name, (case, wanted) in zip(names, RUNS, strict=True):
        sidecar = {"resolution": SHORT_EDGE, "output_format": wanted}
        (daemon.inbox / f"{name}.json").write_text(json.dumps(sidecar))
        daemon.drop(name, case.path.read_bytes())

    def ended() -> dict[str, Outcome]:
        jobs = {entry["original_filename"]: entry for entry in daemon.history() if entry["status"] in FINISHED}
        outcomes = {name: _finished(daemon, jobs[name]) for name in names if name in jobs}
        for name in names:
            reason = daemon.inbox / FAILED / f"{name}{ERROR_SUFFIX}"
            if name not in jobs and reason.exists():
                outcomes[name] = Outcome(None, error=reason.read_text().strip())
        return outcomes if len(outcomes) == len(names) else {}

    outcomes = eventually(ended, _ALL_S)
    found: list[str] = []
    for name, (case, wanted) in zip(names, RUNS, strict=True):
        found += [f"{case.name} as {wanted}: {text}" for text in problems(case, wanted, outcomes[name])]
        shelf = daemon.inbox / ("_done" if outcomes[name].result else FAILED)
        # Whatever came of it, the source is whole, and out of the way.
        eventually(lambda shelf=shelf, name=name: (shelf / name).exists())  # type: ignore[misc]
        if (shelf / name).read_bytes() != case.path.read_bytes():
            found.append(f"{case.name}: the source was changed")
    assert not found, "\n".join(found)


def _finished(daemon: Daemon, entry: dict[str, Any]) -> Outcome:
    status = daemon.status(entry["id"])
    if status["status"] != "completed":
        return Outcome(None, error=status["error"])
    return Outcome(Path(status["output_path"]), tuple(status["warnings"]))


def _downloaded(daemon: Daemon, job_id: str, folder: Path, number: int) -> Outcome:
    status = eventually(lambda: _if_finished(daemon, job_id), _ALL_S)
    if status["status"] != "completed":
        return Outcome(None, error=status["error"])
    answer = daemon.get(f"/api/download/{job_id}")
    assert answer.status_code == 200, answer.text
    result = folder / f"{number}{Path(status['output_filename']).suffix}"
    result.write_bytes(answer.content)
    return Outcome(result, tuple(status["warnings"]))


def _if_finished(daemon: Daemon, job_id: str) -> dict[str, Any]:
    status = daemon.status(job_id)
    assert "status" in status, f"task {job_id} is lost: {status}"
    return status if status["status"] in FINISHED else {}
