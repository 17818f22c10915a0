from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from seedvr2.pipeline.alpha import edge_strength, guided_filter, upscale_alpha
from tests.parity.__main__ import BUNDLED


def _random(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def _disc(size: int, radius: float = 0.32) -> Tensor:
    """A soft-edged disc (1, 1, size, size), one pixel of transition."""
    line = (torch.arange(size) + 0.5) / size - 0.5
    distance = (line[:, None] ** 2 + line[None] ** 2).sqrt()
    return ((radius - distance) * size + 0.5).clamp(0, 1)[None, None]


@pytest.mark.parametrize("kind", ["binary", "gradient"])
def test_alpha_is_the_references(kind: str) -> None:
    tensors = load_file(BUNDLED / "alpha.safetensors")
    got = upscale_alpha(tensors[f"{kind}_alpha_in"], tensors[f"{kind}_rgb_up"], reference=True)
    assert (got - tensors[f"{kind}_alpha_out"]).abs().mean() < 1e-5


def test_away_from_the_border_the_default_is_the_references() -> None:
    tensors = load_file(BUNDLED / "alpha.safetensors")
    got = upscale_alpha(tensors["gradient_alpha_in"], tensors["gradient_rgb_up"])
    reach = 2 * 3  # two means of radius 3
    inside = (..., slice(reach, -reach), slice(reach, -reach))
    torch.testing.assert_close(got[inside], tensors["gradient_alpha_out"][inside], atol=1e-5, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_even_alpha_stays_even(value: float) -> None:
    picture = _random(2, 3, 40, 56) * 2.4 - 1.2
    got = upscale_alpha(torch.full((2, 1, 10, 14), value), picture)
    torch.testing.assert_close(got, torch.full((2, 1, 40, 56), value), atol=1e-4, rtol=0)


def test_a_mask_follows_the_picture() -> None:
    # The picture knows the edge to the pixel, alpha only to a quarter of that.
    true = _disc(96)
    picture = (true * 1.2 - 0.6).expand(1, 3, 96, 96)
    coarse = F.interpolate(_disc(24), (96, 96), mode="bicubic", antialias=True)
    got = upscale_alpha((_disc(24) > 0.5).float(), picture)
    assert (got - true).abs().mean() < 0.6 * (coarse - true).abs().mean()
    assert ((got == 0) | (got == 1)).float().mean() > 0.85
    assert ((got > 0.05) & (got < 0.95)).any()


def test_soft_alpha_is_not_hardened() -> None:
    ramp = torch.linspace(0, 1, 24).expand(1, 1, 24, 24)
    got = upscale_alpha(ramp, torch.zeros(1, 3, 96, 96))
    assert (got[..., 40, 8:-8].diff() > 0).all()
    torch.testing.assert_close(got.mean(), torch.tensor(0.5), atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 3)])
@pytest.mark.parametrize("reference", [False, True])
def test_flat_and_tiny_pictures_have_an_alpha(size: tuple[int, int], reference: bool) -> None:
    for alpha in (torch.ones(1, 1, 3, 3), _random(1, 1, 3, 3), torch.eye(3)[None, None]):
        got = upscale_alpha(alpha, torch.zeros(1, 3, *size), reference=reference)
        assert got.shape == (1, 1, *size)
        assert ((got >= 0) & (got <= 1)).all()


def test_nothing_that_is_passed_changes() -> None:
    alpha, picture = (_random(1, 1, 8, 8) > 0.5).float(), _random(1, 3, 16, 16) * 2 - 1
    before = alpha.clone(), picture.clone()
    for reference in (False, True):
        upscale_alpha(alpha, picture, reference=reference)
    assert torch.equal(alpha, before[0])
    assert torch.equal(picture, before[1])


def test_the_guided_filter_keeps_edges_of_the_guide_and_smooths_the_rest() -> None:
    step = (torch.arange(32) >= 16).float().expand(1, 1, 32, 32)
    noisy = step + 0.2 * (_random(1, 1, 32, 32) - 0.5)
    filtered = guided_filter(step, noisy, 3, 0.002)
    assert (filtered[..., 16] - filtered[..., 15]).mean() > 0.9
    assert (filtered - step).std() < 0.4 * (noisy - step).std()


def _sobel(levels: np.ndarray) -> np.ndarray:
    """Sobel strength of one frame (H, W, 3) of 8-bit levels, straight from its definition."""
    weighted = levels.astype(np.int64) @ np.array([9798, 19235, 3735])
    grey = np.pad((weighted + 2**14) >> 15, 1, mode="reflect")
    height, width = levels.shape[:2]
    strength = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            window = grey[y : y + 3, x : x + 3]
            across = (window[:, 2] - window[:, 0]) @ [1, 2, 1]
            down = (window[2] - window[0]) @ [1, 2, 1]
            strength[y, x] = np.sqrt(float(across**2 + down**2))
    return np.floor(strength / strength.max() * 255) / 255


def test_edges_are_those_of_a_sobel_on_8_bit_grey() -> None:
    frames = _random(2, 3, 9, 13) * torch.tensor([1.0, 0.3]).view(2, 1, 1, 1)
    got = edge_strength(frames)
    for frame, edges in zip(frames, got, strict=True):
        levels = (frame * 255).floor().permute(1, 2, 0).numpy()
        np.testing.assert_allclose(edges[0].numpy(), _sobel(levels), atol=1e-6)


def test_the_edges_of_a_frame_do_not_depend_on_the_others() -> None:
    strong, weak = _random(1, 3, 9, 13), _random(1, 3, 9, 13, seed=2) * 0.1
    assert torch.equal(edge_strength(torch.cat((strong, weak)))[1:], edge_strength(weak))
    assert not edge_strength(torch.full((1, 3, 9, 13), 0.4)).any()
