"""`models pull`, `list` and `verify` against a hub on this machine, through the command line's own code."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seedvr2.catalogue import CATALOGUE, cli, find, registry
from seedvr2.catalogue import pull as pull_module
from seedvr2.catalogue.pull import pull
from seedvr2.errors import CheckpointError, DownloadError
from tests.seedvr2.catalogue.hub import Hub

GOLDEN = Path(__file__).parents[2] / "fixtures/golden"
MODEL = "seedvr2_ema_3b-Q8_0.gguf"
OTHER = "seedvr2_ema_3b-Q6_K.gguf"
VAE = "ema_vae_fp16.safetensors"
EMBEDDING = torch.randn(5, 48).bfloat16()

Run = Callable[..., int]


@pytest.fixture
def stocked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub with small files under the catalogue's names, and a catalogue with their hashes."""
    pickle = io.BytesIO()
    torch.save(EMBEDDING, pickle)
    contents = {
        MODEL: (GOLDEN / "quant/model-Q8_0.gguf").read_bytes(),
        OTHER: (GOLDEN / "quant/model-Q6_K.gguf").read_bytes(),
        VAE: (GOLDEN / "vae/weights.safetensors").read_bytes(),
        "pos_emb.pt": pickle.getvalue(),
    }
    changed = {}
    for name, content in contents.items():
        entry = find(name)
        digest = hashlib.sha256(content).hexdigest() if entry.sha256 else None
        changed[name] = replace(entry, sha256=digest, bytes=len(content))
        hub.add(entry.repo, name, content)
        monkeypatch.setitem(registry.BY_NAME, name, changed[name])
    catalogue = tuple(changed.get(entry.name, entry) for entry in CATALOGUE)
    monkeypatch.setattr(cli, "CATALOGUE", catalogue)
    numbers = EMBEDDING.view(torch.uint8).numpy().tobytes()
    monkeypatch.setattr(pull_module, "_EMBEDDING_SHA256", hashlib.sha256(numbers).hexdigest())
    return hub


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The command `models …` on the models folder `tmp_path / "models"`."""
    parser = argparse.ArgumentParser()
    cli.add_parser(parser.add_subparsers(required=True))

    def call(*words: str) -> int:
        arguments = parser.parse_args(["models", *words, "--models-dir", str(tmp_path / "models")])
        return int(arguments.run(arguments))

    return call


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_model_brings_along_what_it_needs(stocked: Hub, run: Run, tmp_path: Path) -> None:
    assert run("pull", "3b-q8") == 0
    folder = tmp_path / "models"
    assert names(folder) == [VAE, "pos_emb.safetensors", MODEL]
    assert torch.equal(load_file(folder / "pos_emb.safetensors")["pos_emb"], EMBEDDING)
    assert not list(folder.glob(".*part")) and not list(folder.glob(".*lock"))


def test_what_is_there_is_not_fetched_again(stocked: Hub, run: Run, tmp_path: Path) -> None:
    assert run("pull", "3b-q8") == 0
    stocked.requests.clear()
    assert run("pull", "3b-q8", "3b-q6") == 0
    assert [path.rsplit("/", 1)[1] for path in stocked.fetched()] == [OTHER]
    assert names(tmp_path / "models") == [VAE, "pos_emb.safetensors", OTHER, MODEL]


def test_a_vae_of_the_users_own_is_enough(stocked: Hub, run: Run, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/mine.safetensors").write_bytes((GOLDEN / "vae/weights.safetensors").read_bytes())
    assert run("pull", MODEL) == 0
    assert names(tmp_path / "models") == ["mine.safetensors", "pos_emb.safetensors", MODEL]


def test_another_file_of_that_name_is_left_alone(stocked: Hub, tmp_path: Path) -> None:
    mine = tmp_path / MODEL
    mine.write_bytes(b"mine")
    with pytest.raises(DownloadError, match=r"Q8_0\.gguf has 4 bytes, not the published \d+\. It was left alone"):
        pull([MODEL], tmp_path)
    mine.write_bytes(bytes(len((GOLDEN / "quant/model-Q8_0.gguf").read_bytes())))
    with pytest.raises(DownloadError, match=r"has the SHA-256 \w+, not the published"):
        pull([MODEL], tmp_path)
    assert set(mine.read_bytes()) == {0}
    assert stocked.fetched() == []


def test_an_error_lists_everything_that_is_needed_by_hand(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        pull(["3b-fp8"], tmp_path)
    message = str(caught.value)
    for name in ("3b-fp8", VAE, "pos_emb.pt"):
        assert find(name).url(hub.url) in message
    assert str(tmp_path) in message


def test_an_unknown_name_fetches_nothing(stocked: Hub, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no model 'xyz'"):
        pull([MODEL, "xyz"], tmp_path)
    assert stocked.requests == []


def test_verify(stocked: Hub, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify") == 0
    assert "no catalogue file in" in capsys.readouterr().out
    assert run("pull", MODEL, OTHER) == 0
    capsys.readouterr()
    assert run("verify") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{MODEL} is as published.",
        f"{OTHER} is as published (it can be read; no hash is published).",
        f"{VAE} is as published.",
        "pos_emb.pt is as published.",
    ]
    damaged = tmp_path / "models" / MODEL
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    torch.save(EMBEDDING + 1, tmp_path / "models/pos_emb.pt")
    (tmp_path / "models/pos_emb.safetensors").unlink()
    assert run("verify", MODEL, "pos_emb.pt", "3b-fp8") == 1
    said = capsys.readouterr().out.splitlines()
    assert f"{MODEL} has the SHA-256" in said[0]
    assert said[1] == "pos_emb.pt does not hold the published text embedding."
    assert "seedvr2_ema_3b_fp8_e4m3fn.safetensors is not in" in said[2]


def test_list(stocked: Hub, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("pull", MODEL) == 0
    (tmp_path / "models/mine.gguf").write_bytes((GOLDEN / "quant/model-Q4_K.gguf").read_bytes())
    capsys.readouterr()
    assert run("list") == 0
    table = capsys.readouterr().out.splitlines()
    marked = [line.split()[1] for line in table if line.startswith("●") and " in " not in line[:6]]
    assert marked == [MODEL, VAE, "pos_emb.pt", "mine.gguf"]
    assert run("list", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows[MODEL]["installed"] and rows[MODEL]["sha256_ok"] is True
    assert rows[MODEL]["desc"]["ja"] and rows[MODEL]["vram"] == "~6GB"
    assert rows["pos_emb.pt"]["path"].endswith("pos_emb.safetensors")
    assert not rows["seedvr2_ema_7b_fp16.safetensors"]["installed"]
    assert rows["mine.gguf"]["precision"] == "Q8" and rows["mine.gguf"]["installed"]
