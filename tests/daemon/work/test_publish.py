"""Results are put in place once and whole, whatever happens in between."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from daemon.jobs.job import Job, Result, State
from daemon.store.job_store import JobStore
from daemon.work.publish import hidden_result, publish, work_folder
from daemon.work.recovery import recover
from tests.daemon.jobs.test_job import draft


class Crash(BaseException):
    """The process ends here."""


def finished_engine(store: JobStore, outputs: Path, name: str = "a.png") -> Job:
    """A job whose result is whole, hidden, and announced."""
    job = store.add(draft())
    job = store.save(job.start(time.time()))
    folder = work_folder(outputs, job.id)
    folder.mkdir(parents=True)
    (folder / "result.png").write_bytes(b"result")
    result = Result(str(outputs / name), 64, 48, 1, 1.0, "nano", False, {"seed": 1})
    return store.save(job.with_result(result))


def test_it_is_published_with_its_description(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "state")
    job = publish(store, tmp_path, finished_engine(store, tmp_path))
    assert job.state is State.COMPLETED
    assert (tmp_path / "a.png").read_bytes() == b"result"
    assert json.loads((tmp_path / "a.png.json").read_text())["id"] == job.id
    assert not work_folder(tmp_path, job.id).exists()
    store.close()


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "state")
    job = finished_engine(store, tmp_path)
    (tmp_path / "a.png").write_bytes(b"mine")
    job = publish(store, tmp_path, job)
    assert (tmp_path / "a.png").read_bytes() == b"mine"
    assert job.result is not None
    assert Path(job.result.path) == tmp_path / "a (2).png"
    assert (tmp_path / "a (2).png").read_bytes() == b"result"
    store.close()


@pytest.mark.parametrize("step", ["os.link", "os.unlink", "pathlib.Path.replace", "daemon.work.publish.discard_work"])
def test_a_crash_at_any_step_ends_in_exactly_one_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store = JobStore(tmp_path / "state")
    job = finished_engine(store, tmp_path)

    def crash(*_arguments: object, **_more: object) -> None:
        raise Crash

    monkeypatch.setattr(step, crash)
    with pytest.raises(Crash):
        publish(store, tmp_path, job)
    monkeypatch.undo()
    store.close()

    store = JobStore(tmp_path / "state")
    ended: list[Job] = []
    assert recover(store, tmp_path, ended.append) == []
    assert [each.state for each in ended] == [State.COMPLETED]
    assert [each.name for each in tmp_path.glob("*.png")] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"result"
    assert (tmp_path / "a.png").stat().st_nlink == 1
    assert not work_folder(tmp_path, job.id).exists()
    store.close()


def test_a_job_without_a_whole_result_runs_again(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "state")
    job = finished_engine(store, tmp_path)
    hidden = hidden_result(tmp_path, job)
    assert hidden is not None
    hidden.unlink()
    (again,) = recover(store, tmp_path, lambda _job: None)
    assert again.state is State.QUEUED
    assert again.result is None
    store.close()


def test_what_a_crash_left_in_the_work_folder_goes_away(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "state")
    (work_folder(tmp_path, "deadbeef")).mkdir(parents=True)
    recover(store, tmp_path, lambda _job: None)
    assert not work_folder(tmp_path, "deadbeef").exists()
    store.close()


def test_file_systems_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    store = JobStore(tmp_path / "state")
    (tmp_path / "a.png").write_bytes(b"mine")
    job = publish(store, tmp_path, finished_engine(store, tmp_path))
    assert job.result is not None
    assert Path(job.result.path).read_bytes() == b"result"
    assert (tmp_path / "a.png").read_bytes() == b"mine"
    store.close()
