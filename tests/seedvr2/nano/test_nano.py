"""The weights that ship: what they are, and that they are better than the resize they start from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seedvr2.checkpoint import open_checkpoint
from seedvr2.model import Model, load_model
from seedvr2.nano import DIT_FILE
from seedvr2.pipeline.preprocess import bicubic
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.selection import NANO
from tests.seedvr2.nano.scene import psnr, scene

FORMS = sorted(path for path in DIT_FILE.parent.glob("nano_dit*") if path != DIT_FILE)


def load(dit: Path = DIT_FILE, dtype: torch.dtype = torch.float32) -> Model:
    return load_model(replace(NANO, dit=dit), models_dir=Path(), device=torch.device("cpu"), dtype=dtype)


@pytest.fixture(scope="module")
def model() -> Model:
    return load()


def restore(model: Model, source: Tensor, seed: int = 42) -> Tensor:
    """A clip (T, 3, H, W) in 0…1 at twice its size, before colour correction."""
    height, width = 2 * source.shape[2], 2 * source.shape[3]
    resized = bicubic(source, (width, height)).clamp(0, 1).transpose(0, 1)
    restored = BatchRestorer(model, RestoreSettings(seed=seed)).restore(resized * 2 - 1, 0)
    return (restored.transpose(0, 1) / 2 + 0.5).clamp(0, 1)


def degraded(seed: int, frames: int = 1, noise: float = 0.02) -> tuple[Tensor, Tensor]:
    """A noisy scene (frames, 3, 64, 96) and its original of twice the size."""
    original = scene(128, 192, seed)[None].expand(frames, -1, -1, -1)
    small = bicubic(original, (96, 64))
    generator = torch.Generator().manual_seed(seed)
    return (small + noise * torch.randn(small.shape, generator=generator)).clamp(0, 1), original


def test_all_forms_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in DIT_FILE.parent.iterdir() if path.is_file()) <= 40e6


def test_it_carries_its_own_text_embedding_and_the_settings_that_shapes_cannot_tell() -> None:
    checkpoint = open_checkpoint(DIT_FILE)
    assert checkpoint.shapes["positive_conditioning"] == (4, 64)
    assert checkpoint.metadata["windows"] == "2,8,8"


@pytest.mark.parametrize("seed", range(3))
def test_it_is_better_than_the_resize_on_noisy_scenes(model: Model, seed: int) -> None:
    source, original = degraded(seed)
    assert psnr(restore(model, source), original) > psnr(bicubic(source, (192, 128)), original) + 1.0


def test_it_does_not_spoil_a_clean_scene(model: Model) -> None:
    source, original = degraded(3, noise=0.0)
    assert psnr(restore(model, source), original) > psnr(bicubic(source, (192, 128)), original) - 0.3


def test_the_result_barely_depends_on_the_seed(model: Model) -> None:
    source, _ = degraded(4)
    assert psnr(restore(model, source, seed=1), restore(model, source, seed=2)) > 50


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_gives_the_same_picture(model: Model, dtype: torch.dtype) -> None:
    source, _ = degraded(5)
    assert psnr(restore(load(dtype=dtype), source), restore(model, source)) > 40


def test_the_frames_of_a_clip_help_each_other(model: Model) -> None:
    source, original = degraded(6, frames=5)
    together = psnr(restore(model, source), original)
    alone = psnr(torch.cat([restore(model, frame[None]) for frame in source]), original)
    assert together > alone + 0.1


@pytest.mark.parametrize(("form", "loss"), [("fp8_e4m3fn", 0.5), ("Q8_0", 0.1), ("Q4_K_M", 0.7)])
def test_each_quantised_form_is_nearly_as_good(model: Model, form: str, loss: float) -> None:
    (path,) = [path for path in FORMS if form in path.name]
    source, original = degraded(7)
    assert psnr(restore(load(path), source), original) > psnr(restore(model, source), original) - loss
