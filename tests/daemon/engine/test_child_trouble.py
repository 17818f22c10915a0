"""The engine's process in every kind of trouble, under a whole service: no file is lost, and none is blamed."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from daemon.engine.child_executor import ChildExecutor
from daemon.work.ending import MAX_STARTS
from tests.daemon.conftest import Running, Start, eventually, picture
from tests.daemon.engine.conftest import Control, Make


def begin(start: Start, make: Make, stall_s: float = 60.0, **environment: str) -> Running:
    return start(make(stall_s=stall_s, cancel_s=1.0), **environment)


def drop(running: Running, *names: str) -> None:
    for name in names:
        picture(running.inbox / name)


def all_done(running: Running, count: int) -> None:
    """Each of so many files has its result, and none was put aside."""
    eventually(lambda: len(running.history()) == count)
    assert [job.state.value for job in running.history()] == ["completed"] * count
    assert len([path for path in running.results() if path.suffix == ".png"]) == count
    assert not (running.inbox / "_failed").exists()


def problems(running: Running) -> list[str]:
    return list(running.get("/health").json()["problems"])


def engine_pid(running: Running) -> int | None:
    executor = running.service.executor
    assert isinstance(executor, ChildExecutor)
    return executor.pid


@pytest.mark.parametrize(
    "end",
    [
        "killed",
        "lies",
        "sticky",
        "freezes",
        # Ends like these, by other names.
        *(pytest.param(end, marks=pytest.mark.long) for end in ("crashes", "aborts", "exits", "babbles", "closes")),
    ],
)
def test_a_job_whose_process_ends_runs_again(start: Start, make: Make, control: Control, end: str) -> None:
    running = begin(start, make)
    control(f"run.{end}")
    drop(running, "a.png", "b.png")
    all_done(running, 2)
    assert control.left(f"run.{end}") == 0
    eventually(lambda: not problems(running))


def test_what_the_engine_logs_is_in_the_log_of_the_service(start: Start, make: Make, control: Control) -> None:
    running = begin(start, make)
    control("run.raves")
    control("run.complains")
    drop(running, "a.png")
    all_done(running, 1)
    lines = running.get("/api/log?lines=1000&level=warning").json()["lines"]
    (said,) = [line for line in lines if line["logger"] == "seedvr2.odd"]
    assert (said["process"], said["level"], said["message"]) == ("engine", "warning", "it is\\x0aodd")


def test_a_process_in_which_nothing_moves_is_ended(start: Start, make: Make, control: Control) -> None:
    """It beats all the time: only the engine's own steps tell."""
    running = begin(start, make, stall_s=1.0)
    control("run.hangs")
    drop(running, "a.png")
    all_done(running, 1)


def kill_at_random(start: Start, make: Make, times: int) -> None:
    running = begin(start, make)
    dice = random.Random(times)
    for number in range(times):
        drop(running, f"{number}.png")
        time.sleep(dice.uniform(0.0, 0.6))
        pid = engine_pid(running)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda number=number: len(running.history()) == number + 1)  # type: ignore[misc]
    all_done(running, times)


def test_killed_at_random_instants(start: Start, make: Make) -> None:
    kill_at_random(start, make, 3)


@pytest.mark.long
def test_killed_at_many_random_instants(start: Start, make: Make) -> None:
    kill_at_random(start, make, 100)


@pytest.mark.long
def test_a_gpu_that_fails_with_every_file_fails_none(start: Start, make: Make, control: Control) -> None:
    """Five good clips, and a GPU that starts well and then fails with whatever is done on it."""
    running = begin(start, make)
    control("run.sticky", 1000)
    drop(running, *(f"{number}.png" for number in range(5)))
    eventually(
        lambda: any("the GPU failed (CUDA error: an illegal memory access" in text for text in problems(running))
    )
    # Each was tried, and some again.
    eventually(lambda: control.left("run.sticky") < 1000 - 6)
    assert all(job.starts for job in running.service.store.open_jobs())
    assert not running.history()
    control.forget("run.sticky")
    all_done(running, 5)
    eventually(lambda: not problems(running))


@pytest.mark.long
def test_a_file_that_is_alone_with_a_failing_gpu_waits(start: Start, make: Make, control: Control) -> None:
    running = begin(start, make)
    control("run.sticky", 1000)
    drop(running, "a.png")
    eventually(lambda: control.left("run.sticky") < 1000 - MAX_STARTS - 1)
    assert any("the GPU failed" in text for text in problems(running))
    control.forget("run.sticky")
    all_done(running, 1)


@pytest.mark.parametrize("end", ["crashes", pytest.param("sticky", marks=pytest.mark.long)])
def test_a_file_that_always_ends_the_engine_is_put_aside(start: Start, make: Make, control: Control, end: str) -> None:
    """Other files show that it is not the machine."""
    running = begin(start, make)
    control(f"run.{end}.bad", 1000)
    drop(running, "bad.png")
    for number in range(MAX_STARTS + 1):
        eventually(lambda number=number: control.left(f"run.{end}.bad") < 1000 - number or running.history())  # type: ignore[misc]
        drop(running, f"{number}.png")
    eventually(lambda: len(running.history()) == MAX_STARTS + 2)
    failed = [job for job in running.history() if job.state.value == "failed"]
    assert [job.draft.original_filename for job in failed] == ["bad.png"]
    assert f"The engine ended abruptly {MAX_STARTS} times while it worked on this file" in (failed[0].error or "")
    assert (running.inbox / "_failed" / "bad.png").exists()


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("nodriver", "the GPU does not answer: Found no NVIDIA driver"),
        pytest.param("sticky", "the GPU does not answer: CUDA error: an illegal memory access", marks=pytest.mark.long),
        pytest.param("full", "the memory of the GPU or of the machine is full", marks=pytest.mark.long),
        pytest.param("exits", "the engine cannot be started: it ended by itself with status 0", marks=pytest.mark.long),
        ("babbles", "the engine cannot be started: it said something that nobody understands"),
    ],
)
def test_an_engine_that_cannot_start_is_waited_for(
    start: Start, make: Make, control: Control, way: str, said: str
) -> None:
    control(f"start.{way}", 1000)
    running = begin(start, make)
    drop(running, "a.png")
    eventually(lambda: any(said in text for text in problems(running)))
    eventually(lambda: control.left(f"start.{way}") < 997)
    assert running.get("/health").json()["worker"] == "idle" or running.service.well()
    assert not running.history()
    control.forget(f"start.{way}")
    all_done(running, 1)
    eventually(lambda: not problems(running))


@pytest.mark.long
def test_a_gpu_that_goes_is_not_replaced_by_the_processor(start: Start, make: Make, control: Control) -> None:
    running = begin(start, make)
    drop(running, "a.png")
    all_done(running, 1)
    assert running.get("/api/gpu/status").json()["model_loaded"]
    running.post("/api/gpu/offload")
    eventually(lambda: engine_pid(running) is None)
    control("processor")
    drop(running, "b.png")
    eventually(lambda: "the GPU is gone: a reason" in problems(running))
    control.forget("processor")
    all_done(running, 2)


def test_memory_that_other_programs_hold_is_waited_for(start: Start, make: Make, control: Control) -> None:
    running = begin(start, make)
    control("others")
    control("run.cublas", 1000)
    drop(running, "a.png")
    eventually(lambda: any("Other programs hold 20000 MiB of the GPU's memory" in text for text in problems(running)))
    assert not running.history()
    control.forget("run.cublas")
    all_done(running, 1)


def test_memory_that_runs_out_fails_its_file_only(start: Start, make: Make, control: Control) -> None:
    """Also where a library of CUDA says it in words of its own; the engine has tried with less by then."""
    running = begin(start, make)
    control("run.cublas.a")
    drop(running, "a.png", "b.png")
    eventually(lambda: len(running.history()) == 2)
    states = {job.draft.original_filename: (job.state.value, job.error) for job in running.history()}
    assert states["a.png"][0] == "failed" and "not enough memory" in states["a.png"][1]
    assert states["b.png"][0] == "completed"


def test_an_error_of_the_engine_fails_its_file_only(start: Start, make: Make, control: Control) -> None:
    running = begin(start, make)
    control("run.bug.a")
    drop(running, "a.png", "b.png")
    eventually(lambda: len(running.history()) == 2)
    states = {job.draft.original_filename: (job.state.value, job.error) for job in running.history()}
    assert states["a.png"] == ("failed", "The engine failed unexpectedly (ZeroDivisionError); the log says more.")
    assert states["b.png"][0] == "completed"


@pytest.mark.parametrize("way", [pytest.param("run.deaf", marks=pytest.mark.long), "run.hangs"])
def test_a_job_that_does_not_stop_is_ended(start: Start, make: Make, control: Control, way: str) -> None:
    running = begin(start, make)
    control("hold")
    control(way)
    job_id = running.submit("a.png")
    eventually(lambda: control.left(way) == 0)
    pid = engine_pid(running)
    assert running.post(f"/api/tasks/{job_id}/cancel").status_code == 200
    assert running.finished(job_id)["status"] == "cancelled"
    control.forget("hold")
    assert running.finished(running.submit("b.png"))["status"] == "completed"
    assert engine_pid(running) != pid
    assert not Path(f"/proc/{pid}").exists()


def test_a_job_that_stops_keeps_its_process(start: Start, make: Make, control: Control) -> None:
    running = begin(start, make)
    control("hold")
    job_id = running.submit("a.png")
    eventually(lambda: running.get(f"/api/status/{job_id}").json()["status"] == "processing")
    pid = eventually(lambda: engine_pid(running))
    assert running.post(f"/api/tasks/{job_id}/cancel").status_code == 200
    assert running.finished(job_id)["status"] == "cancelled"
    control.forget("hold")
    assert running.finished(running.submit("b.png"))["status"] == "completed"
    assert engine_pid(running) == pid


def test_a_service_that_stops_interrupts_its_job(start: Start, make: Make, control: Control) -> None:
    running = begin(start, make)
    control("hold")
    control("run.deaf")
    job_id = running.submit("a.png")
    eventually(lambda: control.left("run.deaf") == 0)
    pid = engine_pid(running)
    running.service.stop()
    assert not Path(f"/proc/{pid}").exists()
    control.forget("hold")
    again = begin(start, make)
    assert again.finished(job_id)["status"] == "completed"
