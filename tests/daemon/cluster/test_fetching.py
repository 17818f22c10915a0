"""Models fetched on another machine, with Ray and a hub on this one: from the API to its folder, and to a job."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.cluster.fetcher import Fetcher
from seedvr2.catalogue.registry import find
from seedvr2.nano import DIT_FILE
from tests.daemon.cluster.conftest import Clustered, child_of, film
from tests.daemon.cluster.elsewhere import GATEWAY, MACHINE, MODEL, lacking
from tests.daemon.conftest import Start, eventually, png
from tests.daemon.engine.test_pulls import TEXT, VAE
from tests.seedvr2.catalogue.hub import Hub

# The catalogue has them, and the hub has not.
MISSING, ANOTHER = "seedvr2_ema_7b_sharp_fp16.safetensors", "seedvr2_ema_7b_fp16.safetensors"


class There:
    """A service that has the model, the hub, and the models folder of a machine that has it not."""

    def __init__(self, running: Clustered, hub: Hub, folder: Path) -> None:
        self.running = running
        self.hub = hub
        self.folder = folder

    def pull(self, name: str = MODEL) -> dict[str, Any]:
        """The download on the other machine."""
        listed = self.running.get("/api/models/pull").json()["pulls"]
        return next(pull for pull in listed if (pull["model"], pull["machine"]) == (name, MACHINE))

    def ask(self, name: str = MODEL) -> dict[str, Any]:
        answer = self.running.post("/api/models/pull", json={"model": name, "machine": MACHINE})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def reached(self, state: str, name: str = MODEL) -> dict[str, Any]:
        return eventually(lambda: self.pull(name)["state"] == state and self.pull(name))

    def fetcher(self) -> int:
        """The process that fetches, as Ray started it."""
        assert self.running.cluster.gateway_pid is not None
        return child_of(child_of(self.running.cluster.gateway_pid, "raylet"), "ray::Fetcher")


@pytest.fixture(scope="module")
def there(start_cluster: Callable[..., Clustered], tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    theirs, ours = (tmp_path_factory.mktemp(name) for name in ("theirs", "ours"))
    with lacking(theirs, ours) as hub:
        running = start_cluster(ours, GATEWAY)
        yield There(running, hub, theirs)
        hub.gate.set()
        running.service.stop()


def test_a_job_waits_for_its_model_until_that_is_fetched_where_it_is_lacking(there: There) -> None:
    running, hub = there.running, there.hub
    assert {(place.machine, place.here) for place in running.cluster.foreman.places} == {(MACHINE, False)}
    job = running.submit("photo.png", png(), dit_model="3b-fp16", resolution="64")
    waits = eventually(lambda: running.get(f"/api/status/{job}").json().get("waiting_for"))
    assert waits == f"no machine has {MODEL}; `seedvr2d pull {MODEL} --machine {MACHINE}` fetches it there"
    assert running.get("/api/cluster").json()["lacking"] == [MODEL]

    hub.gate.clear()
    assert there.ask("3b-fp16")["pull"]["machine"] == MACHINE
    assert there.reached("fetching")["file"] == MODEL
    gave_up = running.post(f"/api/models/pull/3b-fp16/cancel?machine={MACHINE}").json()
    assert (gave_up["status"], there.pull()["state"]) == ("cancelled", "cancelled")
    # Wanted again at once, it is really fetched, from where it was.
    assert there.ask()["pull"]["state"] in ("waiting", "fetching")
    hub.gate.set()
    assert there.reached("done")["percent"] == 100
    assert {path.name for path in there.folder.glob("[!.]*")} == {MODEL, VAE, "pos_emb.safetensors"}
    ranges = [wanted for method, path, wanted in hub.requests if method == "GET" and path.endswith(MODEL)]
    assert ranges[0] is None and None not in ranges[1:]

    done = running.finished(job)
    assert (done["status"], done["model"]) == ("completed", MODEL), done
    seen = running.get("/api/cluster").json()
    assert seen["lacking"] == []
    assert all(MODEL in place["models"] for place in seen["places"])
    assert there.ask() == {"status": "installed", "model": MODEL, "pull": None}


@pytest.mark.long
def test_places_that_work_all_the_time_learn_what_was_fetched(there: There, tmp_path: Path) -> None:
    running, hub = there.running, there.hub
    hub.add(find(ANOTHER).repo, ANOTHER, DIT_FILE.read_bytes())
    clip = film(tmp_path / "film.mp4", shots=20)
    job = running.submit("film.mp4", clip.read_bytes(), resolution="64", batch_size="5", dit_model="nano")
    eventually(lambda: running.segments_done(job) >= 1)
    there.ask(ANOTHER)
    places = eventually(lambda: [place for place in running.cluster.foreman.places if ANOTHER in place.models])
    assert "busy" in {place.state for place in places}
    assert running.get(f"/api/status/{job}").json()["status"] == "processing"
    running.post(f"/api/tasks/{job}/cancel")
    running.finished(job)


@pytest.mark.long
def test_what_fails_there_names_the_machine_and_can_be_asked_for_again(there: There) -> None:
    there.ask(MISSING)
    assert there.reached("failed", MISSING)["error"].startswith(f"On {MACHINE}: {MISSING} could not be fetched from ")
    # Its process there is killed, as when the machine goes.
    there.hub.add(find(MISSING).repo, MISSING, DIT_FILE.read_bytes())
    there.hub.gate.clear()
    there.ask(MISSING)
    there.reached("fetching", MISSING)
    os.kill(there.fetcher(), signal.SIGKILL)
    assert f"The download of {MISSING} on {MACHINE} was broken off" in there.reached("failed", MISSING)["error"]
    there.hub.gate.set()
    there.ask(MISSING)
    there.reached("done", MISSING)


def test_what_is_not_there_is_refused(there: There) -> None:
    refused = there.running.post("/api/models/pull", json={"model": MODEL, "machine": "studio-9"})
    assert refused.status_code == 404
    assert refused.json()["error"] == f"The cluster has no machine 'studio-9' now; there are: {MACHINE}."
    refused = there.running.post(f"/api/models/pull/{MODEL}/cancel?machine={MACHINE}")
    assert (refused.status_code, refused.json()["error"]) == (404, f"{MODEL} is not being fetched on {MACHINE}.")


def test_without_a_cluster_there_are_no_other_machines(start: Start) -> None:
    running = start()
    answers = [
        running.post("/api/models/pull", json={"model": MODEL, "machine": "studio-2"}),
        running.post(f"/api/models/pull/{MODEL}/cancel?machine=studio-2"),
    ]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert all(answer.json()["error"].startswith("The cluster is off") for answer in answers)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose configuration names a folder of models."""
    monkeypatch.setenv("SEEDVR2_PATHS_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.mark.usefixtures("own")
def test_room_is_looked_for_where_it_goes_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=10**9))
    said = Fetcher(MODEL, "nothing.that.runs").run()
    assert said.startswith(f"{MODEL} needs 6.9 GB, but the disk of the models has 1.0 GB free")


@pytest.mark.usefixtures("own")
def test_what_was_given_up_before_it_began_does_not_begin() -> None:
    fetcher = Fetcher(MODEL, "nothing.that.runs")
    fetcher.end()
    assert (fetcher.run(), fetcher.told(0)) == ("", None)


def test_a_wrong_configuration_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDVR2_JOBS_STALL_S", "never")
    assert "SEEDVR2_JOBS_STALL_S" in Fetcher(TEXT, "nothing.that.runs").run()
