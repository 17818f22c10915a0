"""The weights that ship: what they are, and that they are better than the resize they start from."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seedvr2.checkpoint import open_checkpoint
from seedvr2.model import Model, load_model
from seedvr2.nano import DIT_FILE, VAE_FILE
from seedvr2.pipeline.preprocess import bicubic
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.selection import NANO
from tests.seedvr2.nano.scene import psnr

CITY = Path(__file__).parents[3] / "benchmarks" / "assets" / "city.mp4"
FORMS = sorted(path for path in DIT_FILE.parent.glob("nano_dit*") if path != DIT_FILE)


def load(dit: Path = DIT_FILE, dtype: torch.dtype = torch.float32) -> Model:
    return load_model(replace(NANO, dit=dit), models_dir=Path(), device=torch.device("cpu"), dtype=dtype)


@pytest.fixture(scope="module")
def model() -> Model:
    return load()


def restore(model: Model, source: Tensor, seed: int = 42, factor: int = 2) -> Tensor:
    """A clip (T, 3, H, W) in 0…1 at so many times its size, before colour correction."""
    height, width = factor * source.shape[2], factor * source.shape[3]
    resized = bicubic(source, (width, height)).clamp(0, 1).transpose(0, 1)
    restored = BatchRestorer(model, RestoreSettings(seed=seed)).restore(resized * 2 - 1, 0)
    return (restored.transpose(0, 1) / 2 + 0.5).clamp(0, 1)


@pytest.fixture(scope="module")
def city() -> Tensor:
    """Five frames of a real city at night (5, 3, 176, 320) in 0…1; nothing was trained on them."""
    with av.open(str(CITY)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), 5)]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)[:, :, :176].float() / 255


def halved(original: Tensor, noise: float = 0.0) -> Tensor:
    """What is to be enlarged: half the size, with that much noise, in 8 bits."""
    small = bicubic(original, (original.shape[3] // 2, original.shape[2] // 2))
    noisy = small + noise * torch.randn(small.shape, generator=torch.Generator().manual_seed(0))
    return (noisy.clamp(0, 1) * 255).round() / 255


def gain(model: Model, source: Tensor, original: Tensor) -> float:
    """By how many dB nano is nearer to the original than the resize that it starts from."""
    resized = bicubic(source, (original.shape[3], original.shape[2])).clamp(0, 1)
    return psnr(restore(model, source), original) - psnr(resized, original)


def test_all_forms_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in DIT_FILE.parent.iterdir() if path.is_file()) <= 40e6


def test_it_carries_its_own_text_embedding_and_the_settings_that_shapes_cannot_tell() -> None:
    checkpoint = open_checkpoint(DIT_FILE)
    assert checkpoint.shapes["positive_conditioning"] == (4, 64)
    assert checkpoint.metadata["windows"] == "1,8,8"
    assert open_checkpoint(VAE_FILE).metadata["keeps_colours"] == "true"


def test_it_takes_noise_off(model: Model, city: Tensor) -> None:
    assert gain(model, halved(city[:1], noise=10 / 255), city[:1]) > 0.4


def test_it_sharpens_what_was_blurred(model: Model, city: Tensor) -> None:
    blurred = F.avg_pool2d(F.pad(city[:1], (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    assert gain(model, halved(blurred), city[:1]) > 0.3


def test_a_clean_picture_gains_too(model: Model, city: Tensor) -> None:
    assert gain(model, halved(city[:1]), city[:1]) > 0.3


def test_the_result_barely_depends_on_the_seed(model: Model, city: Tensor) -> None:
    source = halved(city[:1])
    assert psnr(restore(model, source, seed=1), restore(model, source, seed=2)) > 50


def test_a_picture_sharper_than_any_resize_comes_through_whole(model: Model, city: Tensor) -> None:
    # As it is where a source is made smaller. Were the noise not to cancel exactly, seeds would differ.
    crisp = (F.interpolate(city[:1], (88, 160), mode="bicubic").clamp(0, 1) * 255).round() / 255
    restored = restore(model, crisp, seed=1, factor=1)
    assert psnr(restored, restore(model, crisp, seed=2, factor=1)) > 50
    assert psnr(restored, crisp) > 30


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_gives_the_same_picture(model: Model, city: Tensor, dtype: torch.dtype) -> None:
    source = halved(city[:1])
    assert psnr(restore(load(dtype=dtype), source), restore(model, source)) > 40


def test_a_noisy_clip_flickers_less_than_its_resize(model: Model, city: Tensor) -> None:
    source = halved(city, noise=10 / 255)
    resized = bicubic(source, (320, 176)).clamp(0, 1)
    assert flicker(restore(model, source), city) < 0.95 * flicker(resized, city)


def test_frames_restored_together_flicker_less_than_one_by_one(model: Model, city: Tensor) -> None:
    source = halved(city, noise=8 / 255)
    together, alone = restore(model, source), torch.cat([restore(model, frame) for frame in source.split(1)])
    assert flicker(together, city) < 0.95 * flicker(alone, city)
    assert psnr(together, city) > psnr(alone, city) - 0.1


def flicker(clip: Tensor, original: Tensor) -> float:
    """The mean error of the change from frame to frame."""
    return float((clip.diff(dim=0) - original.diff(dim=0)).abs().mean())


@pytest.mark.parametrize(("form", "loss"), [("fp8_e4m3fn", 0.5), ("Q8_0", 0.1), ("Q4_K_M", 0.7)])
def test_each_quantised_form_is_nearly_as_good(model: Model, city: Tensor, form: str, loss: float) -> None:
    (path,) = [path for path in FORMS if form in path.name]
    source = halved(city[:1], noise=5 / 255)
    assert gain(load(path), source, city[:1]) > gain(model, source, city[:1]) - loss
