"""A film that runs, and what is dropped in meanwhile: who is done first, and that nothing is lost by it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmarks.runs import CLIP
from daemon.engine.local_executor import LocalExecutor
from daemon.jobs import turns
from daemon.jobs.job import Job, Progress, State
from daemon.settings.keys import ModelSettings
from daemon.work import schedule
from seedvr2 import UpscaleOptions, Upscaler
from seedvr2 import attempts as engine
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually, png
from tests.daemon.work.test_segments import coded, work_of
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene

ROOT = Path(__file__).parents[3]
SIZE = 64
SEGMENT = 6


# Ten segments, what a change costs is little to a clip of seconds too, and nobody waits for the next look.
AS_FILMS: tuple[tuple[Any, str, Any], ...] = (
    (engine, "frames_at_a_time", lambda *_args, **_more: SEGMENT),
    (turns, "RETURN_S", 0.0),
    (turns, "SHARE", 1.0),
    (schedule, "LOOK_S", 0.0),
)


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clip of seconds that is treated as a film."""
    for module, name, value in AS_FILMS:
        monkeypatch.setattr(module, name, value)
    return write_video(tmp_path / "film.mp4", list(pixels(scene(1, 60, step=1))))


@pytest.fixture
def undisturbed(tmp_path: Path, film: Path) -> list[tuple[int | None, bytes]]:
    """What the film becomes if nothing comes in between."""
    upscaler = Upscaler(tmp_path / "none", device="cpu", dtype="float32")
    return coded(upscaler.upscale(film, tmp_path / "whole.mp4", UpscaleOptions(resolution=SIZE)).path)


def local(folder: Path) -> LocalExecutor:
    return LocalExecutor(folder / "none", ModelSettings(device="cpu", dtype="float32"))


def begin(start: Start, folder: Path) -> Running:
    return start(local(folder))


def send_film(running: Running, film: Path, **more: object) -> str:
    job_id = running.submit("film.mp4", film.read_bytes(), resolution=SIZE, **more)
    eventually(lambda: work_of(running))
    return job_id


def order(running: Running) -> list[str]:
    return [job.id for job in running.history()][::-1]


def watch(running: Running, job_id: str) -> list[str]:
    """The states that a job goes through from now on."""
    states: list[str] = []
    running.service.context.hub.listen(
        lambda event: states.append(event.job.state.value) if event.job.id == job_id and not event.progress else None
    )
    return states


def test_a_picture_is_done_before_the_film_whose_frames_stay_the_same(
    start: Start, tmp_path: Path, film: Path, undisturbed: list[tuple[int | None, bytes]]
) -> None:
    running = begin(start, tmp_path)
    film_id = send_film(running, film)
    states, before = watch(running, film_id), running.get(f"/api/status/{film_id}").json()["progress"]
    waiting: dict[str, object] = {}

    def look(event: object) -> None:
        if running.service.worker.current and running.service.worker.current.id != film_id and not waiting:
            waiting.update(running.get(f"/api/status/{film_id}").json())

    running.service.context.hub.listen(look)
    picture_id = running.submit("photo.png", png(), resolution=64)
    assert running.finished(film_id)["status"] == "completed"
    assert order(running) == [picture_id, film_id]
    assert states == ["queued", "processing", "completed"]
    assert waiting["status"] == "queued" and int(str(waiting["progress"])) >= before > 0
    done = waiting["segments_done"]
    assert 1 <= int(str(done)) < 10 == waiting["segments_total"]
    assert waiting["waiting_for"] == f"it waits for photo.png; {done} of 10 segments are done"
    (result,) = running.outputs.glob("film_nano_*.mp4")
    assert coded(result) == undisturbed
    (job,) = [each for each in running.history() if each.id == film_id]
    assert job.starts == 1 and job.took_s is not None and job.result is not None
    assert job.took_s >= job.result.seconds * 0.5
    assert 'seedvr2_jobs_submitted_total{source="api"} 2' in running.get("/metrics").text


@pytest.mark.long
def test_a_film_goes_on_between_many_pictures(
    start: Start, tmp_path: Path, film: Path, undisturbed: list[tuple[int | None, bytes]]
) -> None:
    running = begin(start, tmp_path)
    film_id = send_film(running, film)
    states = watch(running, film_id)
    pictures = [running.submit(f"{number}.png", png(), resolution=64) for number in range(20)]
    for job_id in (*pictures, film_id):
        assert running.finished(job_id)["status"] == "completed"
    assert states.count("processing") >= 2
    assert order(running)[0] == pictures[0]
    assert [job_id for job_id in order(running) if job_id != film_id] == pictures
    (result,) = running.outputs.glob("film_nano_*.mp4")
    assert coded(result) == undisturbed


@pytest.mark.long
def test_a_film_of_high_priority_goes_before_one_that_has_begun(start: Start, tmp_path: Path, film: Path) -> None:
    running = begin(start, tmp_path)
    first = send_film(running, film)
    second = running.submit("other.mp4", film.read_bytes(), resolution=SIZE, priority="high")
    equal = running.submit("third.mp4", film.read_bytes(), resolution=SIZE, seed=3)
    for job_id in (first, second, equal):
        assert running.finished(job_id)["status"] == "completed"
    assert order(running) == [second, first, equal]


def hold_others(running: Running, film_id: str) -> tuple[threading.Event, str]:
    """Let something else run for as long as the event is not set, and the film wait."""
    release, begun = threading.Event(), threading.Event()
    executor = running.service.executor
    run = executor.run

    def held(source: Path, *more, **named):  # type: ignore[no-untyped-def]
        if source.suffix == ".png":
            begun.set()
            assert release.wait(PATIENCE_S)
        return run(source, *more, **named)

    executor.run = held  # type: ignore[method-assign]
    picture_id = running.submit("photo.png", png(), resolution=64)
    assert begun.wait(PATIENCE_S)
    assert running.get(f"/api/status/{film_id}").json()["status"] == "queued"
    return release, picture_id


def test_a_film_that_gave_way_can_be_cancelled(start: Start, tmp_path: Path, film: Path) -> None:
    running = begin(start, tmp_path)
    film_id = send_film(running, film)
    release, picture_id = hold_others(running, film_id)
    assert running.post(f"/api/tasks/{film_id}/cancel").json()["status"] == "cancelled"
    assert work_of(running) == []
    release.set()
    assert running.finished(picture_id)["status"] == "completed"
    assert running.finished(film_id)["status"] == "cancelled"


@pytest.mark.long
def test_a_film_that_gave_way_outlives_a_kill(
    start: Start, tmp_path: Path, film: Path, undisturbed: list[tuple[int | None, bytes]]
) -> None:
    """The process is killed while a picture runs for which a film has let go."""
    command = [sys.executable, "-m", "tests.daemon.work.border_target", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as victim:
        try:
            assert victim.stdout is not None
            film_id, picture_id = victim.stdout.readline().split()
        finally:
            victim.send_signal(signal.SIGKILL)
    kept = sorted(tmp_path.glob("outputs/.work/*/*/segments/seg-*.packets"))
    assert kept
    running = begin(start, tmp_path)
    waiting = running.get(f"/api/status/{film_id}").json()
    assert waiting["status"] == "processing" or waiting["segments_done"] == len(kept)
    for job_id in (film_id, picture_id):
        assert running.finished(job_id)["status"] == "completed"
    starts = {job.id: job.starts for job in running.history()}
    # What was running when the service was killed is under suspicion; what had let go is not.
    assert starts == {film_id: 1, picture_id: 2}
    (result,) = running.outputs.glob("film_nano_*.mp4")
    assert coded(result) == undisturbed


def test_a_cancel_that_comes_as_a_film_goes_back_into_the_queue_is_heard(
    start: Start, tmp_path: Path, film: Path
) -> None:
    running = begin(start, tmp_path)
    film_id = send_film(running, film)
    queue, save = running.service.context.queue, running.service.store.save
    answers: list[object] = []

    def saved(job: Job) -> Job:
        job = save(job)
        if job.id == film_id and job.state is State.QUEUED and not answers:
            # Its record says that it waits, but nobody can take it yet.
            assert queue.position(film_id) == 0
            answers.append(running.post(f"/api/tasks/{film_id}/cancel").json()["status"])
        return job

    running.service.store.save = saved  # type: ignore[method-assign]
    running.submit("photo.png", png(), resolution=64)
    assert running.finished(film_id)["status"] == "cancelled"
    assert answers == ["cancelling"]


def test_the_wait_of_a_picture_is_told_as_if_the_film_let_it_go_first(running: Running) -> None:
    running.executor.gate.clear()
    film_id = running.submit("film.mp4", CLIP.read_bytes())
    assert running.executor.running.wait(PATIENCE_S)
    later = running.submit("later.mp4", CLIP.read_bytes())
    worker = running.service.worker
    eventually(lambda: worker.current is not None and worker.current.id == film_id)
    worker._board.running.progressed(Progress(film_id, segments_total=60, border_s=30.0, eta_s=7200.0))
    picture_id, low = running.submit("a.png", resolution=64), running.submit("b.png", resolution=64, priority="low")
    waits = {
        job_id: running.get(f"/api/queue/position/{job_id}").json()["estimated_wait"]
        for job_id in (later, picture_id, low)
    }
    assert 30 <= waits[picture_id] <= 40
    # The clip is short against the film, too, and the picture against the clip; no task goes before a higher priority.
    assert waits[picture_id] < waits[later] < 150 and waits[low] >= 7200
    running.executor.gate.set()
    for job_id in (film_id, later, picture_id, low):
        assert running.finished(job_id)["status"] == "completed"
