"""Networks in their child process, for real, at a small size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import against, networks, random_checkpoint
from benchmarks.against import engine_of
from benchmarks.cases import Case
from benchmarks.machine import ROOT
from benchmarks.models import models_folder
from benchmarks.necessary import decode_flop, transformer_flop
from benchmarks.networks import Network, Worker
from benchmarks.random_checkpoint import dit_name, write_random_3b, write_random_vae
from tests.seedvr2.network.networks import SMALL_DIT, SMALL_VAE

DIT = Network("transformer", (5, 64, 64), "3b", "fp16", runs=2)
VAE = replace(SMALL_VAE, widths=(32, 32, 32), groups=32)

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks of memory are read from /proc")


@pytest.fixture(autouse=True)
def _small_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDVR2_BENCH_MODELS", str(tmp_path))
    monkeypatch.setattr(random_checkpoint, "DIT_3B", SMALL_DIT)
    monkeypatch.setattr(random_checkpoint, "VAE", VAE)
    monkeypatch.setattr(random_checkpoint, "TEXT_SHAPE", (5, SMALL_DIT.text_channels))
    monkeypatch.setattr(networks, "VAE", VAE)
    monkeypatch.setattr(networks, "TEXT_SHAPE", (5, SMALL_DIT.text_channels))
    monkeypatch.setattr(networks, "_CONFIGS", {"3b": SMALL_DIT})
    write_random_3b(models_folder() / dit_name("3b", "fp16"))
    write_random_vae(models_folder() / random_checkpoint.VAE_NAME)


@pytest.mark.long
def test_the_transformer_is_run_as_often_as_said() -> None:
    figures = DIT.measure()
    assert figures["best_of"] == len(figures["all_seconds"]) == 2
    assert figures["seconds"] == min(figures["all_seconds"]) > 0
    assert figures["necessary_tflop"] == transformer_flop(SMALL_DIT, (2, 8, 8), 5) / 1e12
    assert figures["peak_mb"] > 50
    assert figures["matmul_tflops"] > 0 and figures["convolution_tflops"] > 0


def test_the_vae_is_run() -> None:
    figures = Network("decode", (5, 32, 32), runs=1).measure()
    assert figures["best_of"] == 1
    assert figures["necessary_tflop"] == decode_flop(VAE, 5, (32, 32)) / 1e12


def test_a_worker_that_cannot_load_ends_the_case(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / random_checkpoint.VAE_NAME).write_bytes(b"none")
    with pytest.raises(RuntimeError, match="ended with the status 1"):
        Network("encode", (1, 32, 32)).measure()
    assert "CheckpointError" in capfd.readouterr().err


def test_a_worker_with_another_engine_than_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not the engine of"):
        Worker(DIT, tree=tmp_path / "empty")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="commits are only in a clone")
@pytest.mark.long
def test_another_commit_runs_beside_this_tree() -> None:
    with engine_of("HEAD") as tree:
        assert tree != ROOT
        with Worker(DIT, tree=tree) as worker:
            assert worker.facts["engine"] == str(tree / "seedvr2")
        case = Case("small", DIT.measure, network=DIT)
        kept, returned = against.compare(case, "HEAD", tree, rounds=1)
    assert (kept["keep_freed_blocks"], returned["keep_freed_blocks"]) == (True, False)
    assert kept["ratio"] == pytest.approx(kept["seconds"] / kept["seconds_before"], rel=0.05)
