"""Fetching and removing models over REST, on a running service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seedvr2.catalogue.fetched import note_fetched
from tests.daemon.api.test_events import events
from tests.daemon.conftest import PATIENCE_S, Running, eventually
from tests.daemon.engine.test_pulls import MODEL
from tests.daemon.hub import hub_of
from tests.seedvr2.catalogue.hub import Hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, running: Running) -> Iterator[Hub]:
    with hub_of(running, monkeypatch) as server:
        yield server


def folder_of(running: Running) -> Path:
    return running.config.paths.models[0]


def test_a_pull_is_answered_at_once_and_told_by_the_events(running: Running, hub: Hub) -> None:
    hub.gate.clear()
    with running.get("/api/events", stream=True) as stream:
        told = events(stream)
        answer = running.post("/api/models/pull", json={"model": "3b-q6"}).json()
        assert (answer["status"], answer["model"], answer["pull"]["state"]) == ("pulling", MODEL, "waiting")
        kind, first = next(told)
        assert (kind, first["model"], first["state"]) == ("model", MODEL, "waiting")
        kind, second = next(told)
        assert (second["state"], second["file"]) == ("fetching", MODEL) and second["total_bytes"] > second["done_bytes"]
        # Asked for twice, it is one download.
        assert running.post("/api/models/pull", json={"name": MODEL}).json()["pull"]["state"] == "fetching"
        hub.gate.set()
        last = next(data for _, data in told if data["state"] == "done")
        assert last["percent"] == 100
    assert (folder_of(running) / MODEL).exists()
    assert [pull["state"] for pull in running.get("/api/models").json()["pulls"]] == ["done"]
    assert running.post("/api/models/pull", json={"model": MODEL}).json()["status"] == "installed"
    assert running.delete(f"/api/models/{MODEL}").json()["status"] == "removed"
    assert not (folder_of(running) / MODEL).exists()


def test_a_failure_is_told_without_the_folders_of_the_server(running: Running, hub: Hub) -> None:
    hub.files.clear()
    running.post("/api/models/pull", json={"model": MODEL})
    (pull,) = eventually(
        lambda: [each for each in running.get("/api/models/pull").json()["pulls"] if each["state"] == "failed"]
    )
    assert "the server answered 404" in pull["error"]
    assert str(folder_of(running)) not in pull["error"]


def test_a_model_in_use_is_not_removed(running: Running) -> None:
    name = "nano.safetensors"  # the one that the executor runs
    path = folder_of(running) / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"weights")
    note_fetched(path)
    running.executor.gate.clear()
    first = running.submit("a.png")
    assert running.executor.running.wait(PATIENCE_S)
    answer = running.delete(f"/api/models/{name}")
    assert (answer.status_code, first in answer.json()["error"]) == (409, True)
    waiting = running.submit("b.png", dit_model=name)
    running.post(f"/api/tasks/{first}/cancel")
    running.finished(first)
    running.post(f"/api/tasks/{waiting}/cancel")
    running.executor.gate.set()
    running.finished(waiting)
    running.executor.model = name
    answer = running.delete(f"/api/models/{name}")
    assert answer.status_code == 409 and "is in memory" in answer.json()["error"]
    running.post("/api/gpu/offload")
    eventually(lambda: running.executor.model is None)
    assert running.delete(f"/api/models/{name}").status_code == 200
    assert not path.exists()


def test_what_the_service_did_not_fetch_is_left_alone_unless_forced(running: Running) -> None:
    path = folder_of(running) / "mine.gguf"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"mine")
    answer = running.delete("/api/models/mine.gguf")
    assert answer.status_code == 403
    assert (
        answer.json()["error"]
        == "models/mine.gguf was not fetched by this program, so it is left alone unless you force it."
    )
    assert running.delete("/api/models/..%2Fstate%2Fdisks.json").status_code == 404
    assert path.exists()
    assert running.delete("/api/models/mine.gguf?force=1").json()["bytes"] == 4
