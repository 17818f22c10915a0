"""Downloads of models by the service: real processes, against a hub on this machine."""

from __future__ import annotations

import io
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from daemon.engine import pulls as pulls_module
from daemon.engine.pull import Pull
from daemon.engine.pull_process import PullProcess, Step
from daemon.engine.pulls import FILE, Pulls
from daemon.errors import RequestError
from seedvr2.catalogue import find
from tests.daemon.conftest import eventually
from tests.seedvr2.catalogue.hub import Hub, running_hub

GOLDEN = Path(__file__).parents[2] / "fixtures/golden"
MAIN = "tests.daemon.engine.pull_target"
MODEL, VAE, TEXT = "seedvr2_ema_3b-Q6_K.gguf", "ema_vae_fp16.safetensors", "pos_emb.pt"


def stock(hub: Hub) -> Hub:
    """Small files under the names of the catalogue."""
    pickle = io.BytesIO()
    torch.save(torch.randn(5, 48).bfloat16(), pickle)
    contents = {
        MODEL: (GOLDEN / "quant/model-Q6_K.gguf").read_bytes(),
        VAE: (GOLDEN / "vae/weights.safetensors").read_bytes(),
        TEXT: pickle.getvalue(),
    }
    for name, content in contents.items():
        hub.add(find(name).repo, name, content)
    return hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield stock(server)


class Told(list[Pull]):
    """What was told, in order."""

    def states(self) -> list[str]:
        return list(dict.fromkeys(pull.state for pull in self))


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], tuple[Pulls, Told]]]:
    started: list[Pulls] = []

    def make() -> tuple[Pulls, Told]:
        told = Told()
        pulls = Pulls([tmp_path / "models", tmp_path / "more"], tmp_path, told.append, main=MAIN)
        started.append(pulls)
        pulls.start()
        return pulls, told

    yield make
    for pulls in started:
        pulls.stop()


Begin = Callable[[], tuple[Pulls, Told]]


def state_of(pulls: Pulls, name: str = MODEL) -> str:
    return next((pull.state for pull in pulls.all if pull.name == name), "")


def test_a_model_comes_with_what_it_needs_and_is_noted_as_fetched(hub: Hub, begin: Begin, tmp_path: Path) -> None:
    pulls, told = begin()
    pull = pulls.request("3b-q6")
    assert pull is not None
    assert (pull.name, pull.state) == (MODEL, "waiting")
    assert json.loads((tmp_path / FILE).read_text()) == [MODEL]
    eventually(lambda: state_of(pulls) == "done")
    folder = tmp_path / "models"
    assert {path.name for path in folder.iterdir() if path.name[0] != "."} == {MODEL, VAE, "pos_emb.safetensors"}
    assert (folder / MODEL).read_bytes() == (GOLDEN / "quant/model-Q6_K.gguf").read_bytes()
    assert set(json.loads((folder / ".fetched.json").read_text())) == {MODEL, VAE, "pos_emb.safetensors"}
    eventually(lambda: json.loads((tmp_path / FILE).read_text()) == [])
    assert told.states() == ["waiting", "fetching", "verifying", "done"]
    assert {each.file for each in told if each.file} == {MODEL, VAE, TEXT}
    last = [each for each in told if each.file == MODEL and each.state == "fetching"][-1]
    assert last.done == last.total == (folder / MODEL).stat().st_size
    assert pulls.request(MODEL) is None


def test_a_file_is_fetched_once_whoever_asks(hub: Hub, begin: Begin) -> None:
    hub.gate.clear()
    pulls, _ = begin()
    first = pulls.request(MODEL)
    eventually(lambda: state_of(pulls) == "fetching")
    again = pulls.request("3b_q6")
    assert first is not None and again is not None
    assert again.name == first.name and again.state == "fetching"
    hub.gate.set()
    eventually(lambda: state_of(pulls) == "done")
    assert sorted(path.rsplit("/", 1)[1] for path in hub.fetched()) == [VAE, TEXT, MODEL]


def sizes(folder: Path) -> list[int]:
    return [part.stat().st_size for part in (folder / "models").glob(".*.part")]


def ranges(hub: Hub) -> list[str]:
    return [wanted for method, path, wanted in hub.requests if method == "GET" and path.endswith(MODEL) and wanted]


def test_what_was_cancelled_goes_on_where_it_was(hub: Hub, begin: Begin, tmp_path: Path) -> None:
    hub.gate.clear()
    pulls, _ = begin()
    pulls.request(MODEL)
    eventually(lambda: any(sizes(tmp_path)))
    assert pulls.cancel("3b-q6").state == "cancelled"
    eventually(lambda: pulls._process is None)
    assert state_of(pulls) == "cancelled"
    with pytest.raises(RequestError, match="is not being fetched") as caught:
        pulls.cancel(MODEL)
    assert caught.value.status == 404
    (kept,) = sizes(tmp_path)
    hub.gate.set()
    pulls.request(MODEL)
    eventually(lambda: state_of(pulls) == "done")
    assert ranges(hub) == [f"bytes={kept}-"]


def test_what_is_wanted_again_before_the_cancelled_process_has_ended_is_really_fetched(
    hub: Hub, begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, run = threading.Event(), PullProcess.run

    def held(process: PullProcess, on_step: Callable[[Step], None]) -> str:
        try:
            return run(process, on_step)
        finally:
            ended.wait()

    monkeypatch.setattr(PullProcess, "run", held)
    hub.gate.clear()
    pulls, told = begin()
    pulls.request(MODEL)
    eventually(lambda: any(sizes(tmp_path)))
    pulls.cancel(MODEL)
    again = pulls.request(MODEL)
    assert again is not None and again.state == "waiting"
    hub.gate.set()
    ended.set()
    eventually(lambda: state_of(pulls) == "done")
    assert (tmp_path / "models" / MODEL).read_bytes() == (GOLDEN / "quant/model-Q6_K.gguf").read_bytes()
    assert told.states() == ["waiting", "fetching", "cancelled", "verifying", "done"]


def test_the_next_start_takes_up_what_was_being_fetched(hub: Hub, begin: Begin, tmp_path: Path) -> None:
    hub.gate.clear()
    pulls, _ = begin()
    pulls.request(MODEL)
    eventually(lambda: any(sizes(tmp_path)))
    pulls.stop()
    assert json.loads((tmp_path / FILE).read_text()) == [MODEL]
    hub.gate.set()
    pulls, _ = begin()
    eventually(lambda: state_of(pulls) == "done")
    assert len(ranges(hub)) == 1


def test_without_a_network_it_says_what_to_do_by_hand(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    pulls, told = begin()
    pulls.request(MODEL)
    eventually(lambda: state_of(pulls) == "failed")
    said = told[-1].error
    assert f"{MODEL} could not be fetched from http://127.0.0.1:9/" in said
    assert f"put it into {tmp_path / 'models'}" in said and VAE in said and TEXT in said
    eventually(lambda: json.loads((tmp_path / FILE).read_text()) == [])


def test_room_is_looked_for_before(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=10**9))
    pulls, _ = begin()
    with pytest.raises(
        RequestError, match=r"_Q6_K\.gguf needs|Q6_K\.gguf needs 3\.0 GB, .* has 1\.0 GB free"
    ) as caught:
        pulls.request("3b-q6")
    assert caught.value.status == 507
    assert pulls.all == []


def test_an_unknown_name_is_refused_with_transformers_near_it(begin: Begin) -> None:
    pulls, _ = begin()
    with pytest.raises(RequestError, match="Did you mean seedvr2_") as caught:
        pulls.request("pos_emb_of_7b")
    assert caught.value.status == 404 and "pos_emb.pt" not in str(caught.value).partition("Did you mean")[2]
    with pytest.raises(RequestError, match="nothing to be fetched"):
        pulls.request("nano")


def test_the_embedding_is_fetched_by_itself_but_not_all_the_time(hub: Hub, begin: Begin, tmp_path: Path) -> None:
    pulls, _ = begin()
    pulls.request_embedding()
    eventually(lambda: state_of(pulls, TEXT) == "done")
    (tmp_path / "models/pos_emb.safetensors").unlink()
    pulls.request_embedding()
    assert [pull for pull in pulls.all if pull.open] == []
    assert pulls_module.AGAIN_S >= 60
