"""The random weight files, at a small size: that the networks take them, and that precisions agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import random_checkpoint
from benchmarks.gpu.scale import full
from benchmarks.random_checkpoint import dit_name, write_random_3b, write_random_7b, write_random_vae
from seedvr2.catalogue.conditioning import load_conditioning
from seedvr2.checkpoint import PackedTensor, open_checkpoint
from seedvr2.network import rope
from seedvr2.network.build import load_dit, load_vae
from seedvr2.network.config import read_dit_config
from tests.seedvr2.network.networks import SMALL_DIT, SMALL_VAE

SMALL_7B = replace(
    SMALL_DIT, shared=(False, False), gated_mlp=False, output_norm=False, last_text=True,
    rope="pixel", rope_frequencies=rope.frequency_count("pixel", SMALL_DIT.head_dim),
)  # fmt: skip
MATRIX = "blocks.0.mlp.vid.proj_in.weight"


PUBLISHED = (random_checkpoint.DIT_3B, random_checkpoint.DIT_7B, random_checkpoint.VAE)


def test_the_architectures_are_the_published_ones() -> None:
    scale = full()
    assert (scale.dits["3B"], scale.dits["7B"], scale.vae) == PUBLISHED


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_checkpoint, "DIT_3B", SMALL_DIT)
    monkeypatch.setattr(random_checkpoint, "DIT_7B", SMALL_7B)
    monkeypatch.setattr(random_checkpoint, "VAE", replace(SMALL_VAE, widths=(32, 32, 32), groups=32))
    monkeypatch.setattr(random_checkpoint, "TEXT_SHAPE", (5, SMALL_DIT.text_channels))


def numbers(path: Path, name: str) -> torch.Tensor:
    value = open_checkpoint(path).tensor(name)
    return value.expand() if isinstance(value, PackedTensor) else value.float()


@pytest.mark.parametrize(
    ("precision", "suffix"), [("fp16", "safetensors"), ("fp8_e4m3fn", "safetensors"), ("Q8_0", "gguf")]
)
def test_the_transformer_loads_strictly_and_has_its_text(tmp_path: Path, precision: str, suffix: str) -> None:
    path = write_random_3b(tmp_path / f"dit.{suffix}", precision)
    checkpoint = open_checkpoint(path)
    assert read_dit_config(checkpoint.shapes, checkpoint.metadata) == SMALL_DIT
    load_dit(checkpoint)
    assert load_conditioning(checkpoint, tmp_path).shape == (5, SMALL_DIT.text_channels)


def test_all_precisions_hold_the_same_numbers(tmp_path: Path) -> None:
    exact = numbers(write_random_3b(tmp_path / "a.safetensors", "fp32"), MATRIX)
    packed = numbers(write_random_3b(tmp_path / "b.gguf", "Q8_0"), MATRIX)
    other = numbers(write_random_3b(tmp_path / "c.safetensors", "fp32", seed=1), MATRIX)
    assert (packed - exact).norm() / exact.norm() < 0.01
    assert (other - exact).norm() / exact.norm() > 1
    assert exact.std() == pytest.approx(exact.shape[1] ** -0.5, rel=0.05)


def test_the_vae_loads_strictly(tmp_path: Path) -> None:
    load_vae(open_checkpoint(write_random_vae(tmp_path / "vae.safetensors", "fp16")))


def test_the_larger_transformer_loads_strictly(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(write_random_7b(tmp_path / "dit.gguf", "Q8_0"))
    assert read_dit_config(checkpoint.shapes, checkpoint.metadata) == SMALL_7B
    load_dit(checkpoint)


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=10**9))
    with pytest.raises(OSError, match="would need"):
        write_random_3b(tmp_path / "dit.safetensors")
    assert not list(tmp_path.iterdir())


def test_the_command_makes_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["random_checkpoint", str(tmp_path), *arguments])
        random_checkpoint.main()

    run("--vae-only")
    assert [path.name for path in tmp_path.iterdir()] == [random_checkpoint.VAE_NAME]
    run("Q8_0", "--params", "7b")
    made = tmp_path / dit_name("7b", "Q8_0")
    before = made.stat().st_mtime_ns
    run("Q8_0", "fp16", "--params", "7b")
    assert made.stat().st_mtime_ns == before
    assert (tmp_path / "random_7b_fp16.safetensors").exists()
