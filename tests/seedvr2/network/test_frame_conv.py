"""Convolutions by fewer products give what torch's own give on padded clips."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seedvr2.checkpoint.ggml import quantize
from seedvr2.checkpoint.packed import PackedTensor
from seedvr2.network import frame_conv
from seedvr2.network.frame_conv import Kernel, frames, one_frame
from seedvr2.places import as_on_a_device

# On either side of what is filtered along rows (96) and along time (64), with inputs and outputs that differ.
WIDTHS = [(96, 112), (64, 80), (80, 64), (16, 24), (128, 16)]


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _window(count: int, channels: int, height: int, width: int) -> Tensor:
    """Frames with rows of zeros above and below, channels last in memory."""
    window = F.pad(_random(count, channels, height, width, seed=1), (0, 0, 1, 1))
    return window.contiguous(memory_format=torch.channels_last)


def _weight(outputs: int, inputs: int, time: int = 3, space: int = 3) -> Tensor:
    return _random(outputs, inputs, time, space, space, seed=2) * (inputs * time * space**2) ** -0.5


def _clip_answer(window: Tensor, weight: Tensor, bias: Tensor, stride: tuple[int, int], columns: int) -> Tensor:
    """(T, C, H, W) convolved as one clip, in the type of the window."""
    clip, (time, space) = window.transpose(0, 1)[None].contiguous(), stride
    padded = F.pad(clip, (columns, columns))
    return F.conv3d(padded, weight, bias, (time, space, space))[0].transpose(0, 1)


def _exact(window: Tensor, weight: Tensor, bias: Tensor, stride: tuple[int, int] = (1, 1), columns: int = 1) -> Tensor:
    return _clip_answer(window.double(), weight.double(), bias.double(), stride, columns)


def _close(got: Tensor, wanted: Tensor, direct: Callable[[], Tensor]) -> None:
    """In float32 as exact as that is; in half types of the order of what torch's own convolution loses."""
    assert got.shape == wanted.shape
    if got.dtype == torch.float32:
        torch.testing.assert_close(got.double(), wanted, atol=2e-5, rtol=0)
        return
    lost, usual = ((each.double() - wanted).square().mean().sqrt() for each in (got, direct()))
    assert lost <= 5 * usual


def _check_frames(
    window: Tensor, weight: Tensor, bias: Tensor, stride: tuple[int, int] = (1, 1), columns: int = 1
) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        given, numbers, added = window.to(dtype), weight.to(dtype), bias.to(dtype)
        before = given.clone()
        with torch.no_grad():
            got = frames(given, numbers, Kernel(), added, stride, columns)
        wanted = _exact(given, numbers, added, stride, columns)
        _close(got, wanted, lambda: _clip_answer(given, numbers, added, stride, columns))  # noqa: B023 - at once
        assert torch.equal(given, before)


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7])
def test_frames_are_convolved_as_a_clip(count: int, widths: tuple[int, int]) -> None:
    inputs, outputs = widths
    _check_frames(_window(count + 2, inputs, 7, 9), _weight(outputs, inputs), _random(outputs, seed=3))


@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_four_pixels_are_as_good_as_nine(count: int) -> None:
    """The kernels of merged upsampling: two rows and two columns."""
    _check_frames(_window(count + 2, 64, 6, 5), _weight(64, 64, space=2), _random(64, seed=3))


@pytest.mark.parametrize("stride", [(2, 2), (1, 2), (2, 1)])
@pytest.mark.parametrize("widths", [(64, 64), (16, 24)])
def test_steps_of_two_are_convolved_as_a_clip(stride: tuple[int, int], widths: tuple[int, int]) -> None:
    inputs, outputs = widths
    _check_frames(_window(7, inputs, 8, 10), _weight(outputs, inputs), _random(outputs, seed=3), stride, 0)


@pytest.mark.parametrize("height", [4, 5, 11, 30])
def test_bands_of_rows_meet_without_a_seam(height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_conv, "_BAND_BYTES", 1)
    window, bias = _window(9, 96, height, 6), _random(96, seed=3)
    _check_frames(window, _weight(96, 96), bias)
    _check_frames(window, _weight(96, 96, space=2), bias)
    _check_one_frame(window[:1], _weight(96, 96), bias)


def test_bands_are_several_where_frames_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_conv, "_BAND_BYTES", 1000)
    assert list(frame_conv._bands(9, 200)) == [(0, 5), (5, 9)]
    assert list(frame_conv._bands(18, 1, 4)) == [(0, 18)]
    assert list(frame_conv._bands(18, 500, 4)) == [(0, 8), (8, 16), (16, 18)]


def _check_one_frame(window: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, columns: int = 1) -> None:
    time = weight.shape[2]
    for dtype in (torch.float32, torch.bfloat16):
        given, numbers, added = window.to(dtype), weight.to(dtype), bias.to(dtype)
        with torch.no_grad():
            got = one_frame(given, numbers, Kernel(), added, stride, columns)
        everywhere = given.expand(time, -1, -1, -1)
        wanted = _exact(everywhere, numbers, added, (1, stride), columns)
        direct = numbers.sum(2, dtype=torch.float32).to(dtype)
        _close(got, wanted, lambda: F.conv2d(F.pad(given, (columns, columns)), direct, added, stride))  # noqa: B023


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("height", [1, 3, 4, 5, 6, 7, 8, 18])
def test_a_frame_stands_for_all_that_come_before_it(height: int, widths: tuple[int, int]) -> None:
    inputs, outputs = widths
    _check_one_frame(_window(1, inputs, height, 9), _weight(outputs, inputs), _random(outputs, seed=3))


@pytest.mark.parametrize("widths", [(96, 96), (16, 24)])
@pytest.mark.parametrize(("stride", "columns"), [(2, 0), (2, 1), (1, 0)])
def test_a_frame_is_made_smaller_too(stride: int, columns: int, widths: tuple[int, int]) -> None:
    inputs, outputs = widths
    _check_one_frame(_window(1, inputs, 8, 11), _weight(outputs, inputs), _random(outputs, seed=3), stride, columns)


@pytest.mark.parametrize("width", [96, 16])
@pytest.mark.parametrize("count", [1, 7])
def test_a_device_convolves_by_its_library(width: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> Tensor:
        raise AssertionError("products of frames on a device")

    monkeypatch.setattr(frame_conv, "_products", forbidden)
    window, weight, bias = _window(count, width, 6, 8), _weight(width, width), _random(width, seed=3)
    with torch.no_grad(), as_on_a_device():
        if count == 1:
            got, seen = one_frame(window, weight, Kernel(), bias, 1, 1), window.expand(3, -1, -1, -1)
        else:
            got, seen = frames(window, weight, Kernel(), bias, (1, 1), 1), window
    torch.testing.assert_close(got.double(), _exact(seen, weight, bias), atol=2e-5, rtol=0)


def test_wide_convolutions_take_fewer_products_and_narrow_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    whole = frame_conv._products

    def counted(mixed: Tensor, *arguments: object) -> Tensor:
        calls.append(len(mixed))
        return whole(mixed, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(frame_conv, "_products", counted)
    with torch.no_grad():
        for width, wanted in ((96, [6, 6, 4]), (64, [6, 4]), (48, [])):
            window, weight, bias = _window(9, width, 4, 8), _weight(width, width), _random(width)
            one_frame(window[:1], weight, Kernel(), bias, 1, 1)
            frames(window, weight, Kernel(), bias, (1, 1), 1)
            assert calls == wanted
            calls.clear()


@pytest.mark.parametrize("width", [96, 16])
@pytest.mark.parametrize("count", [1, 6])
def test_gradients_reach_frames_weight_and_bias(width: int, count: int) -> None:
    kernel = Kernel()
    window, weight, bias = _window(count, width, 5, 6), _weight(width, width), _random(width, seed=3)
    given = [each.clone().requires_grad_() for each in (window, weight, bias)]
    wanted = [each.double().requires_grad_() for each in (window, weight, bias)]
    # Twice, as in training: what one pass leaves is not in the way of the next.
    for _ in range(2):
        for each in (*given, *wanted):
            each.grad = None
        if count == 1:
            one_frame(given[0], given[1], kernel, given[2], 1, 1).square().sum().backward()
            seen = wanted[0].expand(3, -1, -1, -1)
        else:
            frames(given[0], given[1], kernel, given[2], (1, 1), 1).square().sum().backward()
            seen = wanted[0]
        _clip_answer(seen, wanted[1], wanted[2], (1, 1), 1).square().sum().backward()
    for got, right in zip(given, wanted, strict=True):
        assert got.grad is not None and right.grad is not None
        torch.testing.assert_close(got.grad.double(), right.grad, atol=2e-3, rtol=1e-4)


@torch.no_grad()
def test_a_weight_that_was_trained_on_is_not_answered_with_what_it_was() -> None:
    kernel, window, bias = Kernel(), _window(6, 64, 5, 6), _random(64)
    weight = _weight(64, 64).requires_grad_()
    frames(window, weight, kernel, bias, (1, 1), 1)
    weight.mul_(3)
    got = frames(window, weight, kernel, bias, (1, 1), 1)
    torch.testing.assert_close(got.double(), _exact(window, weight.detach(), bias), atol=1e-4, rtol=0)


@pytest.mark.parametrize("width", [96, 64, 32])
@torch.no_grad()
def test_packed_weights_give_what_their_numbers_give(width: int) -> None:
    weight = _weight(width, width)
    packed = PackedTensor("Q8_0", tuple(weight.shape), quantize(weight.reshape(-1, 32), "Q8_0"))
    plain, bias, window = packed.expand(), _random(width), _window(9, width, 6, 8)
    assert not torch.equal(plain, weight)
    for dtype in (torch.float32, torch.bfloat16):
        given, added = window.to(dtype), bias.to(dtype)
        torch.testing.assert_close(
            frames(given, packed, Kernel(), added, (1, 1), 1), frames(given, plain, Kernel(), added, (1, 1), 1)
        )
        torch.testing.assert_close(
            one_frame(given[:1], packed, Kernel(), added, 1, 1), one_frame(given[:1], plain, Kernel(), added, 1, 1)
        )


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
@pytest.mark.parametrize("width", [96, 32])
@torch.no_grad()
def test_weights_of_any_stored_type_give_what_their_numbers_give(stored: torch.dtype, width: int) -> None:
    weight, bias, window = (_weight(width, width) * 4).to(stored), _random(width), _window(9, width, 6, 8)
    got = frames(window, weight, Kernel(), bias, (1, 1), 1)
    torch.testing.assert_close(got.double(), _exact(window, weight, bias), atol=1e-4, rtol=0)
    got = one_frame(window[:1], weight, Kernel(), bias, 1, 1)
    everywhere = window[:1].expand(3, -1, -1, -1)
    torch.testing.assert_close(got.double(), _exact(everywhere, weight, bias), atol=1e-4, rtol=0)


def test_forms_are_made_once_for_a_weight_and_a_type() -> None:
    made: list[Tensor] = []

    def double(weight: Tensor) -> Tensor:
        made.append(weight)
        return weight * 2

    kernel, weight, like = Kernel(), torch.ones(3), torch.zeros(1)
    first = kernel.form("double", weight, like, double)
    assert kernel.form("double", weight, like, double) is first and len(made) == 1
    assert torch.equal(first, torch.full((3,), 2.0))
    # Another type, another weight of the same numbers, another form: each is made anew.
    assert kernel.form("double", weight, like.half(), double).dtype == torch.float16 and len(made) == 2
    other = torch.ones(3) * 5
    assert torch.equal(kernel.form("double", other, like, double), other * 2) and len(made) == 3
    kernel.form("again", other, like, double)
    assert len(made) == 4
    kernel.form("double", other, like, double)
    assert len(made) == 4
    kernel.clear()
    kernel.form("double", other, like, double)
    assert len(made) == 5


@torch.no_grad()
def test_a_second_part_of_a_clip_makes_no_form_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    for name in ("_time_factors", "_row_factors", "_channels_last", "_summed"):
        whole = getattr(frame_conv, name)

        def counted(*given: object, name: str = name, whole: Callable[..., Tensor] = whole, **more: object) -> Tensor:
            made.append(name)
            return whole(*given, **more)

        monkeypatch.setattr(frame_conv, name, counted)
    kernel, weight, bias, window = Kernel(), _weight(96, 96), _random(96), _window(9, 96, 5, 6)
    for _ in range(2):
        one_frame(window[:1], weight, kernel, bias, 1, 1)
        one_frame(window[:1, :, :4], weight, kernel, bias, 1, 1)
        frames(window, weight, kernel, bias, (1, 1), 1)
    # Rows, and whole frames that are too low for them; fours, a two, a one.
    assert made == ["_row_factors", "_summed", "_time_factors", "_time_factors", "_channels_last"]
    other = weight * 2
    got = frames(window, other, kernel, bias, (1, 1), 1)
    torch.testing.assert_close(got.double(), _exact(window, other, bias), atol=1e-4, rtol=0)
