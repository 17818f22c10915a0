"""Trouble of the machine pauses the queue and is told; no file is blamed, and work goes on by itself."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from daemon.jobs.job import State
from daemon.work import surroundings
from daemon.work.surroundings import MAX_TRIES
from daemon.work.work_folder import WorkFolder
from seedvr2.errors import MachineError, MediaError, NeverFitsError
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually, picture, png
from tests.daemon.executors import FakeExecutor

TROUBLE = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EMFILE, errno.ESTALE]


def problems(running: Running) -> str:
    return " | ".join(running.get("/health").json()["problems"])


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "FIRST_REST_S", 0.05)
    monkeypatch.setattr(surroundings, "LONGEST_REST_S", 0.1)


class Refusing:
    """Our own folders refuse to be written while `number` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: str, number: int) -> None:
        self.number = number
        self._part = f"/{folder}/"
        self._probe = surroundings.probe_writable
        monkeypatch.setattr(surroundings, "probe_writable", self)

    def __call__(self, folder: Path) -> None:
        if self.number and self._part in f"{folder}/":
            raise OSError(self.number, os.strerror(self.number), str(folder))
        self._probe(folder)


@pytest.mark.parametrize("number", TROUBLE)
@pytest.mark.parametrize("wrapped", [True, False])
def test_outputs_that_refuse_blame_no_file(
    running: Running, monkeypatch: pytest.MonkeyPatch, number: int, wrapped: bool
) -> None:
    refusing = Refusing(monkeypatch, "outputs", number)
    error = MachineError("The machine refuses.", number) if wrapped else OSError(number, os.strerror(number))
    running.executor.errors.append(error)
    picture(running.inbox / "a.png")
    sent = running.submit()
    eventually(lambda: problems(running))
    assert not (running.inbox / "_failed").exists()
    assert all(job.state is State.QUEUED for job in running.service.store.open_jobs())
    refusing.number = 0
    assert running.finished(sent)["status"] == "completed"
    eventually((running.inbox / "_done" / "a.png").exists)
    eventually(lambda: not problems(running))
    assert len(running.results()) == 2


def test_outputs_that_go_away_as_a_job_begins(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    away, fresh, times = running.outputs.with_name("away"), WorkFolder.fresh, [1]

    def fresh_without_outputs(work: WorkFolder, job_id: str) -> Path:
        if times:
            times.pop()
            running.outputs.rename(away)
        return fresh(work, job_id)

    monkeypatch.setattr(WorkFolder, "fresh", fresh_without_outputs)
    sent = running.submit()
    eventually(lambda: problems(running))
    assert len(running.service.store.open_jobs()) == 1
    away.rename(running.outputs)
    assert running.finished(sent)["status"] == "completed"


@pytest.mark.parametrize(
    "number",
    [errno.EROFS, *(pytest.param(number, marks=pytest.mark.long) for number in (errno.EMFILE, errno.ENOSPC))],
)
def test_what_no_file_can_be_at_fault_for_is_tried_for_ever(running: Running, number: int) -> None:
    running.executor.errors += [MachineError("The machine refuses.", number)] * (MAX_TRIES + 2)
    assert running.finished(running.submit())["status"] == "completed"


def test_what_only_one_file_meets_is_that_file_s_in_the_end(running: Running) -> None:
    running.executor.errors += [MachineError("a.png cannot be read: its disk is damaged.", errno.EIO)] * MAX_TRIES
    status = running.finished(running.submit())
    assert status["status"] == "failed"
    assert status["error"] == "a.png cannot be read: its disk is damaged."
    assert running.finished(running.submit())["status"] == "completed"


def test_a_disk_of_the_inbox_that_fails_blames_no_file_and_holds_up_no_upload(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [errno.EIO]

    def ask(folder: Path) -> None:
        if failing and folder == running.inbox:
            raise OSError(failing[0], os.strerror(failing[0]))

    monkeypatch.setattr(surroundings, "probe_disk", ask)
    running.executor.errors += [MachineError("a.png cannot be read.", errno.EIO)]
    picture(running.inbox / "a.png")
    eventually(lambda: "the disk of the inbox folder fails: Input/output error" in problems(running))
    assert running.finished(running.submit())["status"] == "completed"
    assert [job.state for job in running.service.store.open_jobs()] == [State.QUEUED]
    failing.clear()
    eventually((running.inbox / "_done" / "a.png").exists)
    eventually(lambda: not problems(running))


def test_others_go_on_while_one_rests(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "FIRST_REST_S", 3600.0)
    monkeypatch.setattr(surroundings, "LONGEST_REST_S", 3600.0)
    running.executor.errors.append(MachineError("a.png cannot be read: stale.", errno.ESTALE))
    first = running.submit()
    assert running.finished(running.submit())["status"] == "completed"
    assert running.get(f"/api/status/{first}").json()["status"] == "queued"
    assert "stale" in problems(running)
    running.post(f"/api/tasks/{first}/cancel")
    assert running.finished(first)["status"] == "cancelled"


def test_a_state_disk_that_is_full_at_the_end_loses_no_result(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.executor.gate.clear()
    job_id = running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    with monkeypatch.context() as fault:
        fault.setattr(running.service.store, "save", _refuse)
        running.executor.gate.set()
        eventually(lambda: "No space left" in problems(running))
        assert running.get(f"/api/status/{job_id}").json()["status"] == "processing"
    assert running.finished(job_id)["status"] == "completed"
    assert len(running.executor.runs) == 1
    eventually(lambda: not problems(running))


def test_a_restart_on_a_full_state_disk_loses_no_result_either(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()
    running.executor.gate.clear()
    job_id = running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    with monkeypatch.context() as fault:
        fault.setattr(running.service.store, "save", _refuse)
        running.executor.gate.set()
        eventually(lambda: "No space left" in problems(running))
        running.service.stop()
    again = FakeExecutor()
    assert start(again).finished(job_id)["status"] == "completed"
    assert again.runs == []


def test_a_speed_that_cannot_be_noted_costs_no_result(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.service.store, "save_speeds", _refuse)
    assert running.finished(running.submit())["status"] == "completed"


def _refuse(*_arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_job_that_waits_for_its_disk_can_be_cancelled(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    running.executor.gate.clear()
    job_id = running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    with monkeypatch.context() as fault:
        fault.setattr("daemon.work.publish.put", _refuse)
        running.executor.gate.set()
        eventually(lambda: "No space left" in problems(running))
        assert running.post(f"/api/tasks/{job_id}/cancel").status_code == 200
        assert running.finished(job_id)["status"] == "cancelled"
    assert running.results() == []
    assert running.finished(running.submit())["status"] == "completed"


def test_a_cancel_that_cannot_be_recorded_leaves_the_job_waiting(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.executor.gate.clear()
    running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    second = running.submit("b.png", png("red"))
    with monkeypatch.context() as fault:
        fault.setattr(running.service.store, "save", _refuse)
        assert running.post(f"/api/tasks/{second}/cancel").status_code == 507
    assert running.get(f"/api/status/{second}").json()["status"] == "queued"
    running.executor.gate.set()
    assert running.finished(second)["status"] == "completed"


def test_a_start_survives_whatever_a_record_or_its_files_do(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()
    running.executor.gate.clear()
    first = running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    second = running.submit("b.png", png("red"))
    running.service.store.save = lambda job: job  # type: ignore[method-assign] # as after a crash: it still runs
    running.service.stop()
    with monkeypatch.context() as fault:
        fault.setattr("daemon.work.publish.Publisher.resume", _explode)
        running = start()
    assert running.finished(first)["status"] == "failed"
    assert running.finished(second)["status"] == "completed"


@pytest.mark.parametrize("step", ["daemon.work.publish.Publisher.publish", "daemon.inbox.after.Aftermath.__call__"])
def test_an_end_that_nobody_foresaw_stops_no_other_job(
    running: Running, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as fault:
        fault.setattr(step, _explode)
        first = running.submit()
        wanted = "failed" if "publish" in step else "completed"
        eventually(lambda: running.get(f"/api/status/{first}").json()["status"] == wanted)
    assert running.finished(running.submit())["status"] == "completed"
    assert running.get("/health").status_code == 200


def _explode(*_arguments: object) -> None:
    raise AssertionError("a record that nobody foresaw")


@pytest.mark.parametrize("error", [MediaError("It is cut off."), NeverFitsError("It needs 90 GB.")])
def test_a_fault_of_the_file_itself_fails_it_at_once(running: Running, error: Exception) -> None:
    running.executor.errors.append(error)
    answer = running.finished(running.submit())
    assert (answer["status"], answer["error"]) == ("failed", str(error))
    assert len(running.executor.runs) == 1


def test_a_clock_that_is_set_back_ends_no_job_before_it_began(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.executor.gate.clear()
    job_id = running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86400)
    running.executor.gate.set()
    status = running.finished(job_id)
    assert 0 <= float(str(status["process_time"])) < PATIENCE_S
    assert str(status["completed_at"]) >= str(status["started_at"])
