from __future__ import annotations

import pytest
import torch

from tests.seedvr2.nano.scene import scene
from training.degrade import blur, gaussian
from training.measures import flicker, gmsd, psnr, sharpness, ssim


def test_psnr_of_a_known_error() -> None:
    a = torch.full((1, 3, 8, 8), 0.5)
    assert psnr(a, a + 0.1) == pytest.approx(20.0, abs=1e-4)


def test_equal_pictures_are_perfect() -> None:
    clip = scene(64, 64)[None]
    assert ssim(clip, clip) == pytest.approx(1.0)
    assert gmsd(clip, clip) == pytest.approx(0.0, abs=1e-9)


def test_ssim_of_flat_pictures_is_the_luminance_term() -> None:
    a, b = torch.full((1, 3, 16, 16), 0.4), torch.full((1, 3, 16, 16), 0.6)
    expected = (2 * 0.4 * 0.6 + 1e-4) / (0.4**2 + 0.6**2 + 1e-4)
    assert ssim(a, b) == pytest.approx(expected, abs=1e-5)


def test_every_measure_ranks_a_stronger_blur_lower() -> None:
    clip = scene(96, 96)[None]
    weak, strong = blur(0.8, 0.8, 0)(clip), blur(2.0, 2.0, 0)(clip)
    assert psnr(weak, clip) > psnr(strong, clip)
    assert ssim(weak, clip) > ssim(strong, clip)
    assert gmsd(weak, clip) < gmsd(strong, clip)
    assert 1 > sharpness(weak, clip) > sharpness(strong, clip)


def test_flicker_sees_noise_that_changes_and_not_an_offset_that_stays() -> None:
    clip = scene(32, 32)[None].repeat(4, 1, 1, 1)
    noise = gaussian(clip, 0.02, torch.Generator().manual_seed(0))
    assert flicker(clip + 0.1, clip) == pytest.approx(0.0, abs=1e-4)
    # The difference of two draws has deviation 0.02·√2, and the mean size of a normal is 0.798 of its deviation.
    assert flicker(clip + noise, clip) == pytest.approx(0.02 * 2**0.5 * 0.798 * 255, rel=0.05)


def test_sharpness_is_the_slope_of_edges_as_a_share_of_the_original() -> None:
    ramp = torch.linspace(0, 1, 5).repeat(1, 3, 16, 1).repeat_interleave(4, dim=3)
    assert sharpness(ramp, ramp) == pytest.approx(1)
    assert sharpness(ramp * 0.5 + 0.25, ramp) == pytest.approx(0.5)
