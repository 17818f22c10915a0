from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seedvr2.kernels import norm_silu
from seedvr2.places import as_on_a_device

EPS = 1e-6
TOLERANCES = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}
# (T, C, H, W), groups: odd sizes, one frame, one pixel, channels and groups that are no powers of two, several chunks.
SHAPES = [
    ((2, 128, 7, 9), 32),
    ((1, 256, 5, 3), 32),
    ((3, 512, 4, 4), 32),
    ((1, 128, 31, 37), 32),
    ((2, 48, 40, 33), 3),
    ((2, 32, 1, 1), 8),
]


def frames(shape: tuple[int, ...], dtype: torch.dtype, *, offset: float = 0.5) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + offset
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


def parameters(channels: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(channels, generator=generator) + 0.5, torch.randn(channels, generator=generator)


def exact(x: Tensor, groups: int, weight: Tensor, bias: Tensor, *, activation: bool = True) -> Tensor:
    normed = F.group_norm(x.double(), groups, weight.double(), bias.double(), EPS)
    return F.silu(normed) if activation else normed


def distance(got: Tensor, wanted: Tensor) -> float:
    return float((got.cpu().double() - wanted).norm() / wanted.norm())


def inner(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A buffer with two frames in front and an edge around each, and the part of it that is written."""
    t, c, h, w = shape
    buffer = torch.full((t + 2, h + 2, w + 2, c), 7.0, dtype=dtype).permute(0, 3, 1, 2)
    return buffer, buffer[2:, :, 1:-1, 1:-1]


def assert_edge_untouched(buffer: Tensor, part: Tensor) -> None:
    part.fill_(7.0)
    assert (buffer == 7.0).all()


@pytest.mark.parametrize("place", [nullcontext, as_on_a_device])
@pytest.mark.parametrize("activation", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("shape", "groups"), SHAPES)
def test_plain(
    shape: tuple[int, ...],
    groups: int,
    dtype: torch.dtype,
    activation: bool,
    place: Callable[[], AbstractContextManager[None]],
) -> None:
    with place():
        check_plain(shape, groups, dtype, activation=activation)


def check_plain(shape: tuple[int, ...], groups: int, dtype: torch.dtype, *, activation: bool) -> None:
    x, (weight, bias) = frames(shape, dtype), parameters(shape[1])
    wanted = exact(x, groups, weight, bias, activation=activation)
    result = norm_silu(x, groups, weight, bias, EPS, activation=activation)
    assert result.dtype == dtype and result.is_contiguous(memory_format=torch.channels_last)
    assert distance(result, wanted) < TOLERANCES[dtype]
    buffer, part = inner(shape, dtype)
    assert norm_silu(x, groups, weight, bias, EPS, part, activation=activation) is part
    assert distance(part, wanted) < TOLERANCES[dtype]
    assert_edge_untouched(buffer, part)
    norm_silu(x, groups, weight, bias, EPS, x, activation=activation)
    assert distance(x, wanted) < TOLERANCES[dtype]


def on(
    device: torch.device, x: Tensor, groups: int, weight: Tensor, bias: Tensor, out: Tensor, *, activation: bool = True
) -> None:
    given = x.to(device), groups, weight.to(device), bias.to(device), EPS
    assert norm_silu(*given, out, activation=activation) is out


@pytest.mark.parametrize("activation", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("shape", "groups"), SHAPES)
def test_kernel(
    device: torch.device, shape: tuple[int, ...], groups: int, dtype: torch.dtype, activation: bool
) -> None:
    x, (weight, bias) = frames(shape, dtype), parameters(shape[1])
    wanted = exact(x, groups, weight, bias, activation=activation)
    out = torch.empty_like(x, device=device)
    on(device, x, groups, weight, bias, out, activation=activation)
    assert distance(out, wanted) < TOLERANCES[dtype]


def test_kernel_writes_into_the_inner_part_of_a_buffer(device: torch.device) -> None:
    shape = (2, 128, 7, 9)
    x, (weight, bias) = frames(shape, torch.float16), parameters(128)
    buffer = inner(shape, torch.float16)[0].to(device)
    part = buffer[2:, :, 1:-1, 1:-1]
    on(device, x, 32, weight, bias, part)
    assert distance(part, exact(x, 32, weight, bias)) < TOLERANCES[torch.float16]
    assert_edge_untouched(buffer, part)


def test_kernel_reads_the_inner_part_of_a_buffer_in_place(device: torch.device) -> None:
    shape = (3, 128, 5, 6)
    buffer, part = inner(shape, torch.float32)
    part.copy_(frames(shape, torch.float32))
    wanted = exact(part, 32, *parameters(128))
    buffer = buffer.to(device)
    part = buffer[2:, :, 1:-1, 1:-1]
    on(device, part, 32, *parameters(128), part)
    assert distance(part, wanted) < TOLERANCES[torch.float32]
    assert_edge_untouched(buffer, part)


@pytest.mark.parametrize("far", ["frames", "rows"])
def test_kernel_finds_what_lies_beyond_32_bits(device: torch.device, far: str) -> None:
    shape, apart = (2, 32, 2, 3), 2**31 + 64
    strides = (apart, 1, 3 * 32, 32) if far == "frames" else (3 * 32, 1, apart, 32)
    # Memory of which only the touched pages exist.
    x = torch.empty(apart + 512, dtype=torch.float16, device=device).as_strided(shape, strides)
    x.copy_(frames(shape, torch.float16))
    wanted = exact(x.cpu(), 8, *parameters(32))
    on(device, x, 8, *parameters(32), x)
    assert distance(x, wanted) < TOLERANCES[torch.float16]


def test_kernel_keeps_the_variance_beside_a_large_mean(device: torch.device) -> None:
    x = frames((1, 64, 33, 65), torch.float32, offset=10000.0)
    weight, bias = parameters(64)
    out = torch.empty_like(x, device=device)
    on(device, x, 8, weight, bias, out, activation=False)
    assert distance(out, exact(x, 8, weight, bias, activation=False)) < 1e-3


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_what_is_not_finite_is_seen_in_all_of_its_group_and_nowhere_else(value: float) -> None:
    x, (weight, bias) = frames((2, 64, 6, 5), torch.float16), parameters(64)
    x[1, 9, 3, 2] = value
    finite = norm_silu(x, 8, weight, bias, EPS).isfinite().reshape(2, 8, -1)
    assert not finite[1, 1].any() and finite.sum() == finite.numel() - finite[1, 1].numel()


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_kernel_hides_nothing_that_is_not_finite(device: torch.device, value: float) -> None:
    x, (weight, bias) = frames((2, 64, 6, 5), torch.float16), parameters(64)
    x[1, 9, 3, 2] = value
    out = torch.empty_like(x, device=device)
    on(device, x, 8, weight, bias, out)
    finite = out.isfinite().reshape(2, 8, -1)
    assert not finite[1, 1].any() and finite.sum() == finite.numel() - finite[1, 1].numel()


def test_results_too_large_for_their_type_become_infinite(device: torch.device) -> None:
    x = frames((1, 32, 8, 8), torch.float16)
    weight, bias = torch.full((32,), 6e4), torch.zeros(32)
    out = torch.empty_like(x, device=device)
    on(device, x, 8, weight, bias, out)
    assert torch.equal(out.isinf().cpu(), norm_silu(x, 8, weight, bias, EPS).isinf()) and out.isinf().any()
