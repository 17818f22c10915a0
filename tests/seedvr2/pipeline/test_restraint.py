"""How much of the restoration is in a result: `strength`, `softness`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seedvr2.model import Model
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.preprocess import bicubic, softened
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.pipeline.source_frames import to_float
from seedvr2.pipeline.stream import restore_stream
from tests.seedvr2.network.networks import SMALL_DIT, random_dit, random_vae

CPU = torch.device("cpu")
SIZES = plan_sizes(21, 14, 31)
METHODS = ("lab", "wavelet", "wavelet_adaptive", "hsv", "adain", "none")


def _frames(count: int, channels: int = 3, dtype: type = np.uint8) -> list[np.ndarray]:
    generator = np.random.default_rng(5)
    return [generator.integers(0, np.iinfo(dtype).max, (14, 21, channels), dtype=dtype) for _ in range(count)]


def _run(frames: list[np.ndarray], **settings: object) -> torch.Tensor:
    text = torch.randn(5, SMALL_DIT.text_channels, generator=torch.Generator().manual_seed(9))
    model = Model("small", random_dit(), random_vae(), text, CPU, torch.float32)
    wanted = StreamSettings(SIZES, **settings)  # type: ignore[arg-type]
    stream = restore_stream(frames, lambda frame: frame, BatchRestorer(model, RestoreSettings()), wanted)
    return torch.stack([image for _, image in stream])


def _plain(frames: list[np.ndarray]) -> torch.Tensor:
    """The frames enlarged as they are, in 0…1."""
    width, height = SIZES.output
    images = torch.stack([to_float(frame, CPU) for frame in frames]).permute(0, 3, 1, 2)
    return bicubic(images, SIZES.resized).clamp(0, 1)[:, :, :height, :width].permute(0, 2, 3, 1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_without_strength_the_result_is_the_plain_resize_and_nothing_else(method: str, dtype: type) -> None:
    frames = _frames(7, dtype=dtype)
    held = _run(frames, strength=0.0, color_correction=method, batch_size=5, overlap=2, prepend=1)
    assert torch.equal(held, _plain(frames))


@pytest.mark.parametrize("method", METHODS)
def test_between_the_two_ends_the_result_is_their_mean_by_weight(method: str) -> None:
    frames = _frames(6)
    full, plain = _run(frames, color_correction=method, overlap=2), _plain(frames)
    assert not torch.allclose(full, plain, atol=0.05)
    for strength in (0.25, 0.5, 0.75):
        mixed = _run(frames, color_correction=method, overlap=2, strength=strength)
        torch.testing.assert_close(mixed, plain + strength * (full - plain), atol=2e-6, rtol=0)


def test_full_strength_takes_no_look_at_the_source_again() -> None:
    """So it is what it was, bit for bit: nothing is mixed in, not even a share of zero."""
    asked = 0

    def image_of(item: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += 1
        return item

    def looks(strength: float) -> int:
        nonlocal asked
        asked = 0
        text = torch.randn(5, SMALL_DIT.text_channels, generator=torch.Generator().manual_seed(9))
        model = Model("small", random_dit(), random_vae(), text, CPU, torch.float32)
        settings = StreamSettings(SIZES, color_correction="none", strength=strength)
        list(restore_stream(_frames(2), image_of, BatchRestorer(model, RestoreSettings()), settings))
        return asked

    assert looks(1.0) < looks(0.99)


def test_grain_of_both_is_not_added_up() -> None:
    """A grey area with grain: whatever the share, no more grain than in the grainier of the two."""
    generator = np.random.default_rng(3)
    frames = [(128 + generator.normal(0, 12, (14, 21, 3))).clip(0, 255).astype(np.uint8)]
    deviations = {share: float(_run(frames, strength=share).std()) for share in (0.0, 0.25, 0.5, 0.75, 1.0)}
    most = max(deviations[0.0], deviations[1.0])
    assert all(deviations[share] <= most * 1.0001 for share in (0.25, 0.5, 0.75))


def test_alpha_follows_the_result() -> None:
    frames = _frames(3, channels=4)
    full, half, none = (_run(frames, strength=share)[..., 3] for share in (1.0, 0.5, 0.0))
    assert torch.equal(none, _plain(frames)[..., 3])
    assert not torch.allclose(full, none, atol=0.05)
    torch.testing.assert_close(half, (full + none) / 2, atol=1e-6, rtol=0)


def test_a_softer_source_changes_what_the_networks_see_and_not_the_colours_or_the_resize() -> None:
    frames = _frames(2)
    assert torch.equal(_run(frames, softness=1.0, strength=0.0), _plain(frames))
    assert not torch.allclose(_run(frames, softness=1.0), _run(frames), atol=1e-2)
    assert torch.equal(_run(frames, softness=0.0), _run(frames))


@pytest.mark.parametrize("softness", [0.01, 0.5, 1.0])
def test_a_softer_source_keeps_its_brightness_and_loses_detail_evenly(softness: float) -> None:
    sizes = plan_sizes(200, 120, 240)
    flat = torch.full((1, 120, 200, 3), 0.3)
    torch.testing.assert_close(softened(flat, sizes, softness), softened(flat, sizes, softness) * 0 + 0.3)
    noise = torch.rand(1, 120, 200, 3, generator=torch.Generator().manual_seed(1))
    soft = softened(noise, sizes, softness)
    assert soft.shape == (1, round(120 / (1 + softness)), round(200 / (1 + softness)), 3)
    assert soft.std() < noise.std()
    # No stripes: the columns are blurred alike.
    spread = soft.std(dim=(0, 1, 3))
    assert float(spread.max() / spread.min()) < 1.8


def test_softness_also_shows_where_the_result_is_smaller_than_the_source() -> None:
    frames = torch.rand(1, 400, 600, 3, generator=torch.Generator().manual_seed(1))
    assert softened(frames, plan_sizes(600, 400, 100), 1.0).shape == (1, 50, 75, 3)
    assert softened(frames[:, :1, :1], plan_sizes(1, 1, 16), 1.0).shape == (1, 1, 1, 3)
