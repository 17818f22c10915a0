"""The main job: a file dropped into the inbox comes out of the outputs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import requests
from PIL import Image

from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually, picture
from tests.daemon.executors import FakeExecutor


def test_a_dropped_picture_comes_out_and_the_source_goes_to_done(running: Running) -> None:
    picture(running.inbox / "holiday" / "Æ 照片.png")
    done = running.inbox / "_done" / "holiday" / "Æ 照片.png"
    eventually(done.exists)
    (result,) = running.results()
    assert result.parent == running.outputs / "holiday"
    assert result.name == "Æ 照片_nano_48p_b5_clab_s42_0s.png"
    with Image.open(result) as image:
        assert image.size == (64, 48)
    description = json.loads(result.with_name(result.name + ".json").read_text())
    assert description["model"] == "nano.safetensors"
    assert description["parameters"]["seed"] == 42
    assert not (running.outputs / ".work").exists() or not list((running.outputs / ".work").iterdir())


def test_a_file_that_is_no_picture_goes_to_failed_with_a_reason(running: Running) -> None:
    (running.inbox / "notes.mp4").write_text("this is no video")
    reason = running.inbox / "_failed" / "notes.mp4.error.txt"
    eventually(reason.exists)
    assert "neither a picture nor a video" in reason.read_text()
    assert (running.inbox / "_failed" / "notes.mp4").exists()


def test_health_and_status_answer_while_a_job_runs(running: Running) -> None:
    running.executor.gate.clear()
    picture(running.inbox / "a.png")
    assert running.executor.running.wait(PATIENCE_S)
    health = running.get("/health").json()
    assert health["status"] == "healthy"
    assert health["worker"] == "processing"
    assert health["queue_length"] == 0
    (job,) = running.service.store.open_jobs()
    status = running.get(f"/api/status/{job.id}").json()
    assert status["status"] == "processing"
    assert status["queue_position"] == 1
    assert status["source"] == "inbox"
    running.executor.gate.set()
    assert running.finished(job.id)["status"] == "completed"


def test_an_interrupted_job_runs_again_at_the_next_start(start: Start) -> None:
    first = start()
    first.executor.gate.clear()
    picture(first.inbox / "a.png")
    assert first.executor.running.wait(PATIENCE_S)
    (job,) = first.service.store.open_jobs()
    first.service.stop()
    assert (first.inbox / "a.png").exists()
    second = start()
    assert second.finished(job.id)["status"] == "completed"
    assert len(second.results()) == 1
    assert (second.inbox / "_done" / "a.png").exists()


def test_files_that_came_while_it_was_down_are_taken(start: Start, tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / "inbox" / "sub" / f"{number}.png")
    running = start()
    eventually(lambda: len(running.results()) == 3)


def test_a_second_daemon_on_the_same_state_refuses(running: Running, tmp_path: Path) -> None:
    environment = {
        "SEEDVR2_PATHS_INBOX": str(running.inbox),
        "SEEDVR2_PATHS_OUTPUTS": str(running.outputs),
        "SEEDVR2_PATHS_STATE": str(running.config.paths.state),
        "PORT": "0",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "daemon"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert "Another seedvr2d uses" in ended.stderr


def test_the_process_ends_cleanly_on_sigterm(tmp_path: Path) -> None:
    environment = {f"SEEDVR2_PATHS_{name.upper()}": str(tmp_path / name) for name in ("inbox", "outputs", "state")}
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon"],
        env=environment | {"PORT": "0"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        url = next(line.split("listening on ")[1].split(",")[0] for line in process.stderr if "listening on" in line)
        assert requests.get(f"{url}/health", timeout=10).json()["worker"] == "idle"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "stopped" in process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_the_executor_of_the_tests_obeys_the_protocol() -> None:
    from daemon.engine.executor import Executor

    executor: Executor = FakeExecutor()
    assert executor.model is None
