from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from seedvr2.pipeline.preprocess import bicubic, normalise, pad_to, resize, resize_in_two_steps, resize_part
from seedvr2.pipeline.region import Region
from seedvr2.pipeline.sizes import Sizes, plan_sizes
from tests.parity.__main__ import BUNDLED

CASES = json.loads((BUNDLED / "preprocess.json").read_text())["cases"]


def _random(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_networks_see_what_the_references_see(case: dict) -> None:
    tensors = load_file(BUNDLED / "preprocess.safetensors")
    frames = tensors[f"{case['name']}_in"]
    sizes = plan_sizes(frames.shape[2], frames.shape[1], case["resolution"], case["max_resolution"])
    got = normalise(pad_to(resize_in_two_steps(frames, sizes), sizes.padded)).transpose(0, 1)
    torch.testing.assert_close(got, tensors[f"{case['name']}_out"], atol=1e-5, rtol=0)
    if not case["max_resolution"]:
        assert torch.equal(resize(frames, sizes), resize_in_two_steps(frames, sizes))


def test_one_resize_is_truer_than_enlarging_and_shrinking() -> None:
    # A source that is already as large as the limit allows need not be touched at all.
    frames = _random(1, 40, 80, 3)
    sizes = plan_sizes(80, 40, 64, 80)
    assert sizes.first == (128, 64)
    assert torch.equal(resize(frames, sizes), frames.permute(0, 3, 1, 2))
    assert (resize_in_two_steps(frames, sizes) - frames.permute(0, 3, 1, 2)).abs().mean() > 0.01


def test_overshoot_is_clamped_and_padding_is_black() -> None:
    frames = (_random(2, 30, 44, 3) > 0.5).float()
    sizes = plan_sizes(44, 30, 66)
    resized = resize(frames, sizes)
    assert bicubic(frames.permute(0, 3, 1, 2), sizes.resized).max() > 1.01
    assert (resized.min(), resized.max()) == (0, 1)
    padded = normalise(pad_to(resized, sizes.padded))
    assert padded.shape == (2, 3, 80, 96)
    assert torch.equal(padded[..., :66, :96], resized * 2 - 1)
    assert (padded[..., 66:, :] == -1).all()


def test_pixels_that_are_not_square_come_out_square() -> None:
    # 720x576 shown as 1024x576: a circle in the display is one in the result.
    y, x = torch.meshgrid(
        torch.linspace(-0.5, 0.5, 576), torch.linspace(-1024 / 576 / 2, 1024 / 576 / 2, 720), indexing="ij"
    )
    frames = ((x**2 + y**2).sqrt() < 0.4).float()[None, :, :, None].expand(1, 576, 720, 3)
    sizes = plan_sizes(1024, 576, 288)
    disc = resize(frames, sizes)[0, 0] > 0.5
    assert disc.shape == (288, 512)
    assert abs(int(disc.any(dim=0).sum()) - int(disc.any(dim=1).sum())) <= 1


def test_shrinking_does_not_alias() -> None:
    # A grid of single pixels is grey from afar.
    frames = (torch.arange(96) % 2).float()[None, None, :, None].expand(1, 96, 96, 3)
    small = resize(frames, Sizes((16, 16), (16, 16), (16, 16), (16, 16)))
    torch.testing.assert_close(small[..., 2:-2, 2:-2], torch.full((1, 3, 12, 12), 0.5), atol=0.02, rtol=0)


def test_the_source_stays_as_it_is() -> None:
    frames = _random(1, 12, 10, 3)
    before = frames.clone()
    for size in (10, 16):
        normalise(pad_to(resize(frames, plan_sizes(10, 12, size)), (32, 32)))
    assert torch.equal(frames, before)


@pytest.mark.parametrize(("width", "height", "resolution"), [(97, 61, 203), (61, 97, 40), (96, 64, 64), (50, 200, 77)])
def test_a_part_is_that_part_of_the_whole(width: int, height: int, resolution: int) -> None:
    frames = _random(2, height, width, 3)
    sizes = plan_sizes(width, height, resolution)
    whole = resize(frames, sizes)
    right, bottom = sizes.resized
    for box in ((0, 0, right, bottom), (16, 0, right, 17), (right // 3, bottom // 2, right // 2, bottom)):
        region = Region(*box)
        part = resize_part(frames, sizes, region)
        assert part.shape[2:] == region.size[::-1]
        torch.testing.assert_close(part, whole[..., box[1] : box[3], box[0] : box[2]], atol=1e-6, rtol=0)
