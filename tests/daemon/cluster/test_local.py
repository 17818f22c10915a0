"""Several places on one machine, with Ray and nano on the processor: jobs from the API to their results."""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.cluster.messages import LookAgain
from seedvr2 import UpscaleOptions, Upscaler
from seedvr2 import attempts as engine
from tests.daemon.cluster.conftest import Clustered, child_of, family_of, film, listening
from tests.daemon.cluster.short_gateway import FRAMES
from tests.daemon.conftest import eventually, png
from tests.daemon.work.test_segments import coded

StartCluster = Callable[..., Clustered]
SIZE = {"resolution": "64", "batch_size": "5"}


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], list[tuple[int | None, bytes]]]:
    """The packets that a clip gives on one machine, without a cluster."""

    def upscale(clip: Path) -> list[tuple[int | None, bytes]]:
        with monkeypatch.context() as patch:
            patch.setattr(engine, "frames_at_a_time", lambda *_args, **_more: FRAMES)
            upscaler = Upscaler(tmp_path / "none", device="cpu", dtype="float32")
            options = UpscaleOptions(resolution=64, batch_size=5)
            return coded(upscaler.upscale(clip, tmp_path / "alone.mp4", options).path)

    return upscale


def test_a_film_made_at_two_places_is_the_same_and_small_jobs_go_between(
    clustered: Clustered, tmp_path: Path, alone: Callable[[Path], list[tuple[int | None, bytes]]]
) -> None:
    running, made = clustered, clustered.units("made")
    assert {place.kind for place in running.cluster.foreman.places} == {"cpu"}
    clip = film(tmp_path / "clip.mp4", shots=3)
    job_id = running.submit("clip.mp4", clip.read_bytes(), **SIZE)
    eventually(lambda: running.segments_done(job_id) >= 1)
    small = running.submit("photo.png", png(), resolution="64")
    assert running.finished(small)["status"] == "completed"
    state = running.get(f"/api/status/{job_id}").json()
    assert (state["status"], state["units_total"]) == ("processing", 9)
    assert set(state["places"]) <= {place.id for place in running.cluster.foreman.places}
    shown = running.get("/api/cluster").json()
    assert shown["mode"] == "local"
    assert [place["kind"] for place in shown["places"]] == ["cpu", "cpu"]
    assert job_id in {place["task_id"] for place in shown["places"]}
    assert running.get("/api/queue/status").json()["running"][0]["task_id"] == job_id
    assert len(running.get("/api/gpu/status").json()["places"]) == 2
    done = running.finished(job_id)
    assert done["status"] == "completed", done
    assert coded(Path(str(done["output_path"]))) == alone(clip)
    assert running.units("lost") == 0
    # The plan, nine segments, and the picture.
    assert running.units("made") - made == 1 + 9 + 1
    assert done["places"] == [f"cpu on {platform.node()}"]


def test_all_of_it_listens_on_the_loopback_interface_alone(clustered: Clustered) -> None:
    gateway = clustered.cluster.gateway_pid
    assert gateway is not None
    found = listening(family_of(gateway))
    # The server, the node and the driver at least.
    assert len(found) >= 3
    assert {address for address, _ in found} == {"127.0.0.1"}


class Poller(threading.Thread):
    """Asks the API all the time, as long as the block lasts."""

    def __init__(self, running: Clustered) -> None:
        super().__init__(daemon=True)
        self._running = running
        self._stop_it = threading.Event()
        self.answers: list[int] = []
        self.slowest = 0.0

    def run(self) -> None:
        while not self._stop_it.wait(0.02):
            began = time.monotonic()
            self.answers.append(Clustered(self._running.service).get("/health").status_code)
            self.slowest = max(self.slowest, time.monotonic() - began)

    def __enter__(self) -> Poller:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop_it.set()
        self.join()


def slots(running: Clustered) -> list[int]:
    """The processes of the slots."""
    gateway = running.cluster.gateway_pid
    assert gateway is not None
    raylet, found = child_of(gateway, "raylet"), []
    for thread in Path(f"/proc/{raylet}/task").iterdir():
        for child in (thread / "children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().startswith("ray::GpuSlot"):
                found.append(int(child))
    return found


def strike(running: Clustered, what: str) -> None:
    """Kill a part of the cluster."""
    gateway = running.cluster.gateway_pid
    assert gateway is not None
    if what == "slot":
        os.kill(eventually(lambda: slots(running))[0], signal.SIGKILL)
    elif what == "gateway":
        os.kill(gateway, signal.SIGKILL)
    else:
        os.kill(child_of(gateway, what), signal.SIGKILL)


@pytest.mark.parametrize(
    "parts",
    [
        ("slot",),
        pytest.param(("slot", "gateway"), marks=pytest.mark.long),
        pytest.param(("raylet", "gcs_server", "slot"), marks=pytest.mark.long),
    ],
)
def test_whatever_of_the_cluster_is_killed_only_what_ran_is_made_again(
    clustered: Clustered,
    tmp_path: Path,
    alone: Callable[[Path], list[tuple[int | None, bytes]]],
    parts: tuple[str, ...],
) -> None:
    running, made = clustered, clustered.units("made")
    clip = film(tmp_path / "clip.mp4", shots=2 * len(parts), frames=18)
    with Poller(running) as poller:
        job_id = running.submit("clip.mp4", clip.read_bytes(), **SIZE)
        done = 0
        for what in parts:
            eventually(
                lambda done=done: running.segments_done(job_id) > done and running.cluster.foreman.places_of(job_id)
            )
            lost, done = running.units("lost"), running.segments_done(job_id)
            strike(running, what)
            eventually(lambda lost=lost: running.units("lost") > lost)
            assert running.units("lost") - lost <= (1 if what == "slot" else 2), what
            eventually(lambda: running.cluster.foreman.places_of(job_id))
        finished = running.finished(job_id)
    assert finished["status"] == "completed", finished
    assert set(poller.answers) == {200}
    assert coded(Path(str(finished["output_path"]))) == alone(clip)
    assert running.units("made") - made == 1 + 6 * len(parts)
    assert running.get("/health").json()["problems"] == []


def test_a_cancel_is_heeded_and_the_places_stay(clustered: Clustered, tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mp4", shots=4)
    job_id = clustered.submit("clip.mp4", clip.read_bytes(), **SIZE)
    eventually(lambda: clustered.segments_done(job_id) >= 1)
    before = slots(clustered)
    assert clustered.post(f"/api/tasks/{job_id}/cancel").json()["status"] == "cancelling"
    assert clustered.finished(job_id)["status"] == "cancelled"
    assert slots(clustered) == before
    assert list((clustered.outputs / ".work").glob("*/*")) == []


def test_a_pause_lets_what_runs_be_finished_and_nothing_else_begin(clustered: Clustered, tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mp4", shots=4)
    job_id = clustered.submit("clip.mp4", clip.read_bytes(), **SIZE)
    eventually(lambda: clustered.segments_done(job_id) >= 1)
    assert clustered.post("/api/queue/pause").status_code == 200
    eventually(lambda: clustered.get(f"/api/status/{job_id}").json()["status"] == "queued")
    assert all(place.state == "idle" for place in clustered.cluster.foreman.places)
    done, made = clustered.segments_done(job_id), clustered.units("made")
    assert done >= 1
    assert clustered.post("/api/queue/resume").status_code == 200
    assert clustered.finished(job_id)["status"] == "completed"
    # The plan is looked at once more; what was finished is not made again.
    assert clustered.units("made") - made == 1 + 12 - done


def test_the_places_look_again_when_a_model_of_this_machine_is_removed(
    clustered: Clustered, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(clustered.cluster, "_tell", told.append)
    path = clustered.config.paths.models[0] / "mine.gguf"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"mine")
    assert clustered.delete("/api/models/mine.gguf?force=1").status_code == 200
    assert told == [LookAgain()]


@pytest.mark.long
def test_a_film_that_takes_longer_than_a_model_may_be_idle_is_not_disturbed(
    start_cluster: StartCluster, tmp_path: Path
) -> None:
    running = start_cluster(tmp_path / "service", SEEDVR2_MODEL_IDLE_TIMEOUT_S="0.2")
    clip = film(tmp_path / "clip.mp4", shots=2)
    job_id = running.submit("clip.mp4", clip.read_bytes(), **SIZE)
    eventually(lambda: running.segments_done(job_id) >= 1)
    assert running.post("/api/gpu/offload").status_code == 200
    assert running.finished(job_id)["status"] == "completed"
    assert running.units("made") == 1 + 6
    eventually(lambda: not any(place.model for place in running.cluster.foreman.places))
