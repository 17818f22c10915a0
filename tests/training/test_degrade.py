from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from seedvr2.nano.initialise import HINTS
from tests.seedvr2.nano.scene import psnr, scene
from training.data import Photographs
from training.degrade import KERNELS, blur, degrade, from_pixels, gaussian, h264, jpeg, shrink, to_pixels
from training.samples import MARGIN, Samples, Setting, make_example


@pytest.mark.parametrize("frames", [1, 3])
def test_a_degraded_clip_is_small_and_of_8_bits_and_repeats_with_the_seed(frames: int) -> None:
    clip = scene(96, 80)[None].expand(frames, -1, -1, -1)
    for seed in range(20):
        first, second = (degrade(np.random.default_rng(seed), clip, (37, 31)).clip for _ in range(2))
        assert first.shape == (frames, 3, 37, 31)
        torch.testing.assert_close(first, from_pixels(to_pixels(first)), atol=1e-6, rtol=0)
        assert torch.equal(first, second)


def test_degradations_differ_between_seeds_and_stay_near_the_picture() -> None:
    clip = scene(96, 96)[None]
    reference = shrink(clip, (48, 48), "area")
    distances = [psnr(degrade(np.random.default_rng(seed), clip, (48, 48)).clip, reference) for seed in range(40)]
    assert min(distances) > 12
    assert max(distances) - min(distances) > 5


def test_the_faults_that_are_told_are_those_that_were_done() -> None:
    clip = torch.full((1, 3, 96, 96), 0.5)
    for seed in range(60):
        small, faults = degrade(np.random.default_rng(seed), clip, (32, 32))
        assert faults.factor == 3
        changed = float((small - 0.5).abs().max()) > 0.01
        # Noise that was enlarged or blurred away again may be too faint to see.
        assert not changed or faults.noise > 0
        assert not (faults.clean and (faults.noise or faults.blur or faults.compression))
        assert changed or faults.noise < 12


@pytest.mark.parametrize("kernel", sorted(set(KERNELS)))
def test_every_kernel_keeps_the_picture_in_place(kernel: str) -> None:
    clip = torch.linspace(0, 1, 64).view(1, 1, 1, 64).expand(1, 3, 64, 64)
    small = shrink(clip, (32, 32), kernel)
    expected = torch.linspace(0.5, 62.5, 32) / 63
    torch.testing.assert_close(small[0, 0, 16, 2:-2], expected[2:-2], atol=3e-3, rtol=0)


def test_blur_spreads_a_point_by_its_deviation() -> None:
    point = torch.zeros(1, 3, 33, 33)
    point[:, :, 16, 16] = 1.0
    spread = blur(2.0, 1.0, 0.0)(point)[0, 0]
    offsets = (torch.arange(33.0) - 16) ** 2
    assert float(spread.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float((spread.sum(0) * offsets).sum()) == pytest.approx(4.0, rel=0.1)
    assert float((spread.sum(1) * offsets).sum()) == pytest.approx(1.0, rel=0.1)


def test_noise_has_the_strength_that_was_asked_for() -> None:
    noise = gaussian(torch.zeros(1, 3, 100, 100), 0.1, torch.Generator().manual_seed(0))
    assert float(noise.std()) == pytest.approx(0.1, rel=0.03)


def test_compression_costs_more_at_lower_quality() -> None:
    clip = scene(65, 47)[None].expand(3, -1, -1, -1)
    assert psnr(jpeg(clip, 95, coarse_colour=False), clip) > psnr(jpeg(clip, 40), clip) + 3
    assert psnr(h264(clip, 16), clip) > psnr(h264(clip, 32), clip) + 3
    assert h264(clip, 20).shape == clip.shape


@pytest.mark.parametrize("frames", [1, 5])
def test_a_pair_shows_the_same_scene_twice(folder: Path, frames: int) -> None:
    photographs = Photographs(folder, held_out=False)
    for seed in range(5):
        resized, target, hints = make_example(np.random.default_rng(seed), photographs, 64, frames)
        assert resized.shape == target.shape == (frames, 3, 64, 64)
        assert target.abs().max() <= 1
        assert hints.shape == (HINTS,)
        assert -0.5 <= hints.min() <= hints.max() <= 2.6
        own = psnr(resized / 2 + 0.5, target / 2 + 0.5)
        assert own > psnr(resized.roll(8, dims=3) / 2 + 0.5, target / 2 + 0.5)


def test_samples_are_batches_of_stills_or_of_clips(folder: Path) -> None:
    setting = Setting(stills=(3, 64), clips=(2, 48), clip_share=0.5)
    stream = iter(Samples(folder, setting, seed=0))
    shapes = {next(stream)[0].shape for _ in range(12)}
    assert shapes == {(3, 1, 3, 64, 64), (2, 5, 3, 48, 48)}
    assert MARGIN > 0
