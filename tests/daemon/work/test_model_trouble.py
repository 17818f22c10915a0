"""A model that lacks a part holds up the jobs that need it, and no other model runs in its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from daemon.engine.local_executor import LocalExecutor
from daemon.settings.keys import ModelSettings
from daemon.work import model_trouble
from seedvr2.catalogue import DEFAULT_MODEL
from seedvr2.errors import IncompleteModelError, NeverFitsError
from seedvr2.nano import DIT_FILE, VAE_FILE
from tests.daemon.conftest import Start, eventually, picture
from tests.daemon.executors import MODELS, FakeExecutor


class Lacking(FakeExecutor):
    """Its default model lacks something, as long as `lacks` says so."""

    lacks: Exception | None = IncompleteModelError("x needs a text embedding: fetch it.", "pos_emb.pt", "x")

    def resolve(self, model: str) -> str:
        if self.lacks is not None and model in ("", "auto"):
            raise self.lacks
        return super().resolve(model)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_trouble, "LOOK_S", 0.05)
    monkeypatch.setattr(model_trouble, "IDLE_S", 0.05)


@pytest.mark.parametrize(
    "lacks", [Lacking.lacks, NeverFitsError("None of the installed models fits on cpu.")], ids=["part", "room"]
)
def test_jobs_wait_and_say_why_until_the_model_can_run(start: Start, lacks: Exception) -> None:
    executor = Lacking()
    executor.lacks = lacks
    running = start(executor, SEEDVR2_MODEL_FETCH_EMBEDDING="false")
    picture(running.inbox / "a.png")
    sent = running.submit("b.png")
    eventually(lambda: running.get("/api/queue/status").json()["queue_length"] == 2)
    eventually(lambda: str(lacks) in running.get("/health").json()["problems"])
    assert running.get("/api/queue/status").json()["paused"] == str(lacks)
    assert running.get(f"/api/status/{sent}").json()["waiting_for"] == str(lacks)
    # Whoever asks for another model by name gets it meanwhile.
    named = running.finished(running.submit("c.png", dit_model=MODELS[1]))
    assert (named["status"], named["model"]) == ("completed", MODELS[1])
    executor.lacks = None
    done = running.finished(sent)
    assert (done["status"], done["model"]) == ("completed", MODELS[0])
    eventually(lambda: running.get("/health").json()["problems"] == [])
    eventually(lambda: [name for _, _, name in executor.runs] == [MODELS[1], "", ""])


def test_a_named_model_that_lacks_a_part_is_taken_and_waits(start: Start) -> None:
    executor = Lacking()
    running = start(executor, SEEDVR2_MODEL_FETCH_EMBEDDING="false", SEEDVR2_DEFAULTS_DIT_MODEL="auto")
    sent = running.submit("b.png")
    eventually(lambda: running.get(f"/api/status/{sent}").json().get("waiting_for"))
    executor.lacks = None
    assert running.finished(sent)["status"] == "completed"


def test_the_missing_embedding_is_asked_for_unless_that_is_off(start: Start, tmp_path: Path) -> None:
    asked: list[bool] = []
    trouble = model_trouble.ModelTrouble(Lacking(), [], lambda: asked.append(True))
    trouble.look(list)
    assert asked == [True] and trouble.problems == [str(Lacking.lacks)]
    vae = Lacking()
    vae.lacks = IncompleteModelError("x needs a VAE: fetch it.", "ema_vae_fp16.safetensors", "x")
    model_trouble.ModelTrouble(vae, [], lambda: asked.append(True)).look(list)
    assert asked == [True]


def test_a_transformer_without_its_embedding_is_not_replaced_by_nano(start: Start, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    # The embedded model's own networks, which run; only the embedding is taken out.
    tensors = load_file(DIT_FILE)
    embedding = tensors.pop("positive_conditioning")
    save_file(tensors, models / DEFAULT_MODEL)
    shutil.copyfile(VAE_FILE, models / "ema_vae_fp16.safetensors")
    settings = ModelSettings(device="cpu", dtype="float32")
    running = start(
        LocalExecutor(models, settings), SEEDVR2_MODEL_FETCH_EMBEDDING="false", SEEDVR2_DEFAULTS_RESOLUTION="32"
    )
    picture(running.inbox / "a.png")
    (problem,) = eventually(lambda: running.get("/health").json()["problems"])
    assert f"{DEFAULT_MODEL} needs a text embedding: pos_emb.pt is not in models." in problem
    assert "models pull pos_emb.pt --models-dir " in problem
    assert running.results() == []
    save_file({"pos_emb": embedding}, models / "pos_emb.safetensors")
    (job,) = eventually(running.history)
    assert job.result is not None and job.result.model == DEFAULT_MODEL, job.error
    assert "3b_fp8" in Path(job.result.path).name


class Vanishing(FakeExecutor):
    """Has a real model until that is gone; nano, which is always there, comes with the program."""

    here: str = MODELS[1]

    def resolve(self, model: str) -> str:
        return self.here if model in ("", "auto") else model


def test_nano_does_not_stand_in_for_a_model_that_is_gone(start: Start) -> None:
    executor = Vanishing()
    running = start(executor)
    assert running.finished(running.submit("a.png"))["model"] == MODELS[1]
    executor.here = "nano"
    said = f"{MODELS[1]} is not in the models folder any more, and only nano is left"
    eventually(lambda: any(said in each for each in running.get("/health").json()["problems"]))
    waiting = running.submit("b.png")
    eventually(lambda: said in (running.get("/api/queue/status").json()["paused"] or ""))
    assert said in running.post("/api/plan", json={"width": 9, "height": 9}).json()["why"]
    # By name it runs.
    assert running.finished(running.submit("c.png", dit_model="nano"))["model"] == "nano"
    running.service.stop()
    # A restart does not make it forget.
    again = start(executor)
    eventually(lambda: said in (again.get("/api/queue/status").json()["paused"] or ""))
    executor.here = MODELS[1]
    assert again.finished(waiting)["model"] == MODELS[1]


def test_a_model_that_was_removed_on_request_may_be_followed_by_nano(start: Start, tmp_path: Path) -> None:
    executor = Vanishing()
    trouble = model_trouble.ModelTrouble(executor, [], lambda: None, before=MODELS[1])
    executor.here = "nano"
    trouble.look(list)
    assert trouble.reason("") and trouble.default == ""
    trouble.removed(MODELS[1])
    trouble.look(list)
    assert (trouble.reason(""), trouble.default) == ("", "nano")
