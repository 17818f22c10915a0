"""The worker: models in memory, memory that runs out, bugs in the engine, jobs that kill the process."""

from __future__ import annotations

import errno
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon.jobs.job import IllegalMoveError, Job, State
from daemon.work import engine_trouble, publish
from daemon.work.ending import MAX_STARTS, POISON
from daemon.work.worker import Activity
from seedvr2.errors import MediaError, MemoryTakenError, OutOfMemoryError
from seedvr2.options import UpscaleOptions
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually, picture
from tests.daemon.executors import FakeExecutor


def test_the_model_stays_between_jobs_and_leaves_after_the_idle_time(start: Start) -> None:
    running = start(GPU_IDLE_TIMEOUT="0.5")
    running.finished(running.submit())
    assert running.executor.model == "nano.safetensors"
    idle = running.get("/api/gpu/status").json()
    assert idle["model_loaded"]
    assert 0 <= idle["model_idle_s"] < 5
    eventually(lambda: running.executor.model is None)
    assert running.get("/api/gpu/status").json()["model_idle_s"] is None


def test_a_job_for_another_model_switches(running: Running) -> None:
    name = "seedvr2_ema_3b_fp8_e4m3fn.safetensors"
    status = running.finished(running.submit(dit_model=name))
    assert "_3b_fp8_48p_" in str(status["output_filename"])
    assert status["model"] == running.executor.model == name


def test_high_priority_goes_first_and_equals_keep_their_order(running: Running) -> None:
    running.executor.gate.clear()
    first = running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    order = [running.submit(priority=each) for each in ("low", "normal", "high", "normal", "high")]
    expected = [order[2], order[4], order[1], order[3], order[0]]
    pending = running.get("/api/queue/status").json()["pending_tasks"]
    assert [each["task_id"] for each in pending] == expected
    running.executor.gate.set()
    for job_id in order:
        running.finished(job_id)
    assert [job.id for job in running.history()][::-1] == [first, *expected]


@pytest.mark.parametrize("error", [OutOfMemoryError("no memory"), MemoryError()])
def test_out_of_memory_fails_the_job_only(running: Running, error: Exception) -> None:
    # The engine has tried with less by then.
    running.executor.errors.append(error)
    status = running.finished(running.submit())
    assert status["status"] == "failed"
    assert "memory" in str(status["error"])
    assert running.finished(running.submit())["status"] == "completed"


def test_memory_that_others_hold_pauses_the_queue_with_the_reason(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_trouble, "FIRST_REST_S", 1.0)
    running = start()
    reason = "It takes 4 GB of memory, and 1 GB are free; try again when less is running."
    running.executor.errors.append(MemoryTakenError(reason))
    task = running.submit()
    eventually(lambda: running.get("/api/queue/status").json()["paused"] == reason)
    assert reason in running.get("/health").json()["problems"]
    # What the engine holds of earlier jobs is the first that can be given back.
    eventually(lambda: running.executor.unloads == 1)
    status = running.finished(task)
    assert (status["status"], status["model"]) == ("completed", "nano.safetensors")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MediaError("The clip ends in the middle."), "The clip ends in the middle."),
        (RuntimeError("secret /root/path"), "The engine failed unexpectedly (RuntimeError); the log says more."),
        (KeyError("x"), "(KeyError)"),
    ],
)
def test_an_exception_fails_its_job_and_never_the_worker(running: Running, error: Exception, said: str) -> None:
    running.executor.errors.append(error)
    status = running.finished(running.submit())
    assert status["status"] == "failed"
    assert said in str(status["error"])
    assert "secret" not in str(status)
    assert running.service.worker.activity is Activity.IDLE
    assert running.finished(running.submit())["status"] == "completed"
    assert list((running.outputs / ".work").iterdir()) == []


def test_cancelling_a_running_job_takes_less_than_two_seconds(running: Running) -> None:
    running.executor.gate.clear()
    job_id = running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    began = time.monotonic()
    running.post(f"/api/tasks/{job_id}/cancel")
    assert running.finished(job_id)["status"] == "cancelled"
    assert time.monotonic() - began < 2
    assert list((running.outputs / ".work").iterdir()) == []


def test_a_disk_that_refuses_the_end_of_a_job_is_asked_again(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    store, refusals = running.service.store, 2
    archive = store.archive

    def refuse(job: Job) -> None:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise OSError(28, "No space left on device")
        archive(job)

    monkeypatch.setattr(store, "archive", refuse)
    assert running.finished(running.submit())["status"] == "completed"
    assert refusals < 0
    assert running.service.worker.activity is Activity.IDLE


def test_a_dead_worker_refuses_a_switch_at_once(running: Running) -> None:
    running.service.worker.stop(5)
    answer = running.post("/api/models/switch", json={"model": "nano.safetensors"})
    assert answer.status_code == 503


@dataclass
class Killing(FakeExecutor):
    """Stands for a process that dies in the middle of a job: the worker's thread ends, nothing is tidied up."""

    frames: int = 0

    def run(self, *_arguments: object, **more):  # type: ignore[no-untyped-def]
        self.running.set()
        more["on_progress"]("restoring", self.frames, 1000, 0.1)
        raise SystemExit


unhandled = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def kill_once(start: Start, executor: Killing) -> None:
    running = start(executor)
    eventually(lambda: running.service.worker.activity is Activity.DEAD)
    assert running.get("/health").status_code == 503
    assert running.service.store.open_jobs()[0].state is State.PROCESSING
    running.service.stop()


@unhandled
def test_a_job_that_always_ends_the_process_is_given_up_in_the_end(start: Start, tmp_path: Path) -> None:
    picture(tmp_path / "inbox" / "killer.png")
    for _ in range(MAX_STARTS):
        kill_once(start, Killing())
    running = start()
    (job,) = eventually(running.history)
    assert running.executor.runs == []
    assert job.state is State.FAILED
    assert job.error == POISON
    assert POISON in (running.inbox / "_failed" / "killer.png.error.txt").read_text()
    assert running.finished(running.submit())["status"] == "completed"


@unhandled
def test_a_good_file_survives_a_few_abrupt_ends(start: Start, tmp_path: Path) -> None:
    picture(tmp_path / "inbox" / "good.png")
    for _ in range(MAX_STARTS - 1):
        kill_once(start, Killing())
    running = start()
    eventually((running.inbox / "_done" / "good.png").exists)


@unhandled
def test_an_end_that_comes_later_each_time_does_not_count(start: Start, tmp_path: Path) -> None:
    picture(tmp_path / "inbox" / "long.png")
    for attempt in range(1, MAX_STARTS + 3):
        kill_once(start, Killing(frames=10 * attempt))
    running = start()
    eventually((running.inbox / "_done" / "long.png").exists)


@unhandled
def test_what_ended_the_process_comes_last(start: Start, tmp_path: Path) -> None:
    picture(tmp_path / "inbox" / "killer.png")
    kill_once(start, Killing())
    executor = FakeExecutor()
    executor.gate.clear()
    running = start(executor)
    # It was taken up as the only one; all that comes before it runs again goes first.
    assert running.executor.running.wait(PATIENCE_S)
    assert running.service.worker.alone
    running.service.stop()
    executor = FakeExecutor()
    executor.gate.clear()
    running = start(executor, SEEDVR2_INBOX_RESCAN_S="60")
    eventually(lambda: running.service.worker.current is not None)
    running.executor.gate.set()
    eventually((running.inbox / "_done" / "killer.png").exists)


def test_stopping_orderly_again_and_again_does_not_count_as_dying(start: Start) -> None:
    job_id = ""
    for _ in range(4):
        # Closed before the start: the job of the last round runs at once.
        executor = FakeExecutor()
        executor.gate.clear()
        running = start(executor)
        job_id = job_id or running.submit()
        assert running.executor.running.wait(PATIENCE_S)
        running.service.stop()
    running = start()
    assert running.finished(job_id)["status"] == "completed"


def test_progress_never_goes_back_and_is_below_100_until_the_end(start: Start) -> None:
    class Jumping(FakeExecutor):
        def run(self, source: Path, target: Path, options: UpscaleOptions, **more):  # type: ignore[no-untyped-def]
            for share in (0.1, 0.6, 0.3, 1.0, 0.2):
                more["on_progress"]("restoring", int(10 * share), 10, share)
                time.sleep(0.01)
            return super().run(source, target, options, **more)

    running = start(Jumping())
    seen: list[int] = []
    running.service.context.hub.listen(lambda event: seen.append(event.progress.percent) if event.progress else None)
    assert running.finished(running.submit())["progress"] == 100
    assert seen == sorted(seen)
    assert seen[:2] == [10, 60]
    assert max(seen) == 99


def test_the_watchdog_is_let_go_when_a_job_shows_no_life(start: Start) -> None:
    release = threading.Event()

    class Stuck(FakeExecutor):
        def run(self, source: Path, target: Path, options: UpscaleOptions, **more):  # type: ignore[no-untyped-def]
            self.running.set()
            assert release.wait(20)
            return super().run(source, target, options, **more)

    executor = Stuck()
    running = start(executor)
    job_id = running.submit()
    assert executor.running.wait(PATIENCE_S)
    assert running.service.well()
    running.service.worker._board.heartbeat -= running.config.jobs.stall_s + 1
    assert not running.service.well()
    release.set()
    assert running.finished(job_id)["status"] == "completed"
    assert running.service.well()


def test_a_job_that_cannot_be_started_for_an_odd_reason_ends_neither_the_worker_nor_the_others(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = running.service.worker._runner.run
    odd: list[str] = []

    def stumbling(job: Job, *more: object, **named: object) -> Job:
        if not odd:
            odd.append(job.id)
            raise IllegalMoveError("never thought of")
        return run(job, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(running.service.worker._runner, "run", stumbling)
    running.submit()
    assert running.finished(running.submit())["status"] == "completed"
    assert running.service.worker.activity is not Activity.DEAD


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.ENOSPC])
def test_a_result_whose_own_folder_is_in_trouble_waits_and_holds_up_no_other(
    running: Running, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    put, troubled = publish.put, [True]

    def refusing(hidden: Path, target: Path, job_id: str) -> None:
        if troubled and target.parent.name == "fam":
            raise OSError(number, os.strerror(number), str(target))
        put(hidden, target, job_id)

    monkeypatch.setattr(publish, "put", refusing)
    picture(running.inbox / "fam" / "a.png")
    eventually(lambda: os.strerror(number) in str(running.get("/health").json()["problems"]))
    picture(running.inbox / "b.png")
    eventually((running.inbox / "_done" / "b.png").exists)
    assert running.finished(running.submit())["status"] == "completed"
    assert (running.inbox / "fam" / "a.png").exists()
    troubled.clear()
    eventually((running.inbox / "_done" / "fam" / "a.png").exists)
    eventually(lambda: running.get("/health").json()["problems"] == [])
    assert len(running.results()) == 3
