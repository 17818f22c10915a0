"""What holds for every method."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from seedvr2.colour import FRAME_BY_FRAME, correct
from seedvr2.errors import OptionError
from seedvr2.options import COLOR_CORRECTIONS
from tests.parity.__main__ import BUNDLED
from tests.seedvr2.colour.frames import noise, picture

METHODS = [method for method in COLOR_CORRECTIONS if method != "none"]
TINY = [(1, 1), (1, 9), (9, 1), (2, 3), (7, 15)]
# Mean, and the share of values that may be off by more than 1e-3: ranks flip where values are all but equal.
TOLERANCES = {"hsv": (2e-3, 0.01), "wavelet_adaptive": (2e-3, 0.01), "lab": (1e-4, 0.001)}


@pytest.mark.parametrize("name", ["color1", "color2"])
@pytest.mark.parametrize("method", METHODS)
def test_colours_are_the_references(name: str, method: str) -> None:
    tensors = load_file(BUNDLED / "color" / f"{name}.safetensors")
    error = (correct(method, tensors["content"], tensors["style"]) - tensors[method]).abs()
    if method in TOLERANCES:
        average, off = TOLERANCES[method]
        assert error.mean() <= average
        assert (error > 1e-3).float().mean() <= off
    else:
        assert error.max() <= 1e-4
    if method == "lab":
        assert error.max() <= 2e-2


@pytest.mark.parametrize("method", [m for m in METHODS if m != "hsv"])
def test_a_colour_cast_is_taken_out(method: str) -> None:
    style = picture() * 0.7
    content = style * 0.8 + torch.tensor([0.2, 0.0, -0.2]).view(3, 1, 1)
    before, after = (
        (frames - style).mean(dim=(2, 3)).abs().max() for frames in (content, correct(method, content, style))
    )
    assert before > 0.15
    assert after < 0.02


@pytest.mark.parametrize("method", ["hsv", "wavelet_adaptive"])
def test_too_much_saturation_is_taken_out(method: str) -> None:
    content, style = picture(), picture() * 0.5
    before, after = (_chroma(frames) - _chroma(style) for frames in (content, correct(method, content, style)))
    assert before > 0.2
    assert after < 0.5 * before


def _chroma(frames: Tensor) -> Tensor:
    return (frames.amax(1) - frames.amin(1)).mean()


@pytest.mark.parametrize("method", METHODS)
def test_frames_with_the_right_colours_stay(method: str) -> None:
    style = picture()
    torch.testing.assert_close(correct(method, style.clone(), style), style, atol=2e-5, rtol=0)


@pytest.mark.parametrize("method", COLOR_CORRECTIONS)
def test_it_is_repeatable_and_changes_nothing_that_is_passed(method: str) -> None:
    content, style = picture(seed=3) * 1.3, picture(seed=7)
    before = content.clone(), style.clone()
    first = correct(method, content, style)
    assert torch.equal(first, correct(method, content, style))
    first.zero_()
    assert torch.equal(content, before[0])
    assert torch.equal(style, before[1])


@pytest.mark.parametrize("method", METHODS)
def test_the_memory_layout_does_not_matter(method: str) -> None:
    content, style = picture(seed=3), picture(seed=7)
    turned = [frames.transpose(0, 1).contiguous().transpose(0, 1)[..., :40, :50] for frames in (content, style)]
    plain = [frames.contiguous() for frames in turned]
    results = (correct(method, content, style) for content, style in (turned, plain))
    torch.testing.assert_close(*results, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", TINY)
@pytest.mark.parametrize("method", METHODS)
def test_tiny_frames(method: str, size: tuple[int, int]) -> None:
    for frames in (1, 3):
        got = correct(method, noise(frames, 3, *size, seed=1), noise(frames, 3, *size, seed=2))
        assert got.shape == (frames, 3, *size)
        assert got.isfinite().all()


@pytest.mark.parametrize("method", METHODS)
def test_grey_stays_grey(method: str) -> None:
    content, style = (noise(1, 1, 40, 40, seed=seed).expand(1, 3, 40, 40) for seed in (1, 2))
    got = correct(method, content, style)
    assert got.isfinite().all()
    assert (got.amax(1) - got.amin(1)).max() < 1e-4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_flat_frames(method: str, value: float) -> None:
    flat = torch.full((2, 3, 24, 24), value)
    for content, style in ((flat, picture(2, 24, 24)), (picture(2, 24, 24), flat), (flat, flat)):
        assert correct(method, content, style).isfinite().all()


@pytest.mark.parametrize("method", [m for m in METHODS if m != "adain"])
def test_the_result_is_within_bounds(method: str) -> None:
    got = correct(method, noise(2, 3, 40, 40) * 2, noise(2, 3, 40, 40, seed=1))
    assert got.min() >= -1
    assert got.max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_is_computed_in_float32(method: str) -> None:
    content, style = picture(seed=3).half(), picture(seed=7).half()
    got = correct(method, content, style)
    assert got.dtype == torch.float32
    assert torch.equal(got, correct(method, content.float(), style.float()))


def test_none_changes_no_value() -> None:
    content = noise(1, 3, 8, 8) * 3
    assert torch.equal(correct("none", content, torch.zeros(1, 3, 8, 8)), content)


def test_an_unknown_method_is_named() -> None:
    frames = torch.zeros(1, 3, 8, 8)
    with pytest.raises(OptionError, match=r"lab, wavelet.*not 'sepia'") as error:
        correct("sepia", frames, frames)
    assert error.value.name == "color_correction"


def test_both_must_have_one_shape() -> None:
    with pytest.raises(ValueError, match="one shape"):
        correct("lab", torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))


@pytest.mark.parametrize("method", COLOR_CORRECTIONS)
def test_methods_that_look_at_one_frame_at_a_time_are_known(method: str) -> None:
    content, style = (
        noise(3, 3, 21, 30, seed=1),
        noise(3, 3, 21, 30, seed=2) * torch.tensor([0.3, 0.6, 1.0]).view(3, 1, 1, 1),
    )
    together = correct(method, content, style)
    alone = torch.cat([correct(method, content[i : i + 1], style[i : i + 1]) for i in range(3)])
    assert torch.equal(alone, together) == (method in FRAME_BY_FRAME)


@pytest.mark.parametrize("method", METHODS)
def test_the_source_may_be_made_a_frame_at_a_time(method: str) -> None:
    content, style = noise(3, 3, 21, 30, seed=1), noise(3, 3, 21, 30, seed=2)
    asked: list[int] = []

    class Made:
        shape = tuple(style.shape)

        def __getitem__(self, index: int, /) -> Tensor:
            asked.append(index)
            return style[index].clone()

    assert torch.equal(correct(method, content, Made()), correct(method, content, style))
    assert max(asked.count(index) for index in range(3)) <= 2


@pytest.mark.parametrize("method", COLOR_CORRECTIONS)
def test_nothing_that_is_passed_changes_or_is_handed_back(method: str) -> None:
    content, style = noise(2, 3, 21, 30, seed=1), noise(2, 3, 21, 30, seed=2)
    before = content.clone(), style.clone()
    correct(method, content, style).zero_()
    assert torch.equal(content, before[0]) and torch.equal(style, before[1])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(30, 40), (260, 260)])
def test_what_is_no_number_stays_none(method: str, size: tuple[int, int]) -> None:
    # Or nobody would notice.
    content, style = picture(1, *size, seed=3), picture(1, *size, seed=7)
    content[0, :, 3, 5] = float("nan")
    assert not correct(method, content, style)[0, :, 3, 5].isfinite().any()


@pytest.mark.parametrize("method", METHODS)
def test_large_frames(method: str) -> None:
    """Of which there are more pixels than are sorted: what holds for small ones holds for them."""
    style = picture(2, 200, 190) * 0.8
    torch.testing.assert_close(correct(method, style.clone(), style), style, atol=2e-5, rtol=0)
    content = style * 0.9 + noise(2, 3, 200, 190) * 0.3
    before = content.clone(), style.clone()
    got = correct(method, content, style)
    assert torch.equal(got, correct(method, content, style)) and got.shape == content.shape
    turned = [frames.transpose(0, 1).contiguous().transpose(0, 1) for frames in (content, style)]
    torch.testing.assert_close(correct(method, *turned), got, atol=1e-6, rtol=0)
    got.zero_()
    assert torch.equal(content, before[0]) and torch.equal(style, before[1])
    grey = noise(1, 1, 300, 300).expand(1, 3, 300, 300)
    for own, other in ((grey, grey.flip(3)), (grey, torch.full_like(grey, 0.5)), (torch.full_like(grey, -1.0), grey)):
        changed = correct(method, own, other)
        assert changed.isfinite().all() and (changed.amax(1) - changed.amin(1)).max() < 1e-3
