from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seedvr2.kernels import rms_modulate

EPS = 1e-5
TOLERANCES = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}
# Also widths that are no powers of two, and less than a kernel takes at a time.
SHAPES = [(5, 256), (1, 2560), (19, 320), (9, 1)]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tokens(shape: tuple[int, int], dtype: torch.dtype, *, apart: bool, seed: int = 0) -> Tensor:
    """Rows that follow each other, or are parts of longer ones."""
    wide = noise(shape[0], shape[1] + 5, seed=seed).to(dtype)
    return wide[:, 2 : 2 + shape[1]] if apart else wide[:, : shape[1]].contiguous()


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    x = x.double()
    return x / (x.square().mean(-1, keepdim=True) + EPS).sqrt() * scale.double() + shift.double()


def distance(got: Tensor, wanted: Tensor) -> float:
    return float((got.cpu().double() - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("shape", SHAPES)
def test_plain(shape: tuple[int, int], dtype: torch.dtype, apart: bool) -> None:
    x = tokens(shape, dtype, apart=apart)
    shift, scale = noise(shape[1], seed=2), noise(shape[1], seed=3)
    result = rms_modulate(x, shift, scale, EPS)
    assert result.dtype == dtype and distance(result, modulated(x, shift, scale)) < TOLERANCES[dtype]


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("shape", SHAPES)
def test_kernels(device: torch.device, shape: tuple[int, int], dtype: torch.dtype, apart: bool) -> None:
    x = tokens(shape, dtype, apart=apart).to(device)
    shift, scale = noise(shape[1], seed=2).to(device), noise(shape[1], seed=3).to(device)
    result = rms_modulate(x, shift, scale, EPS)
    assert result.dtype == dtype
    assert distance(result, modulated(x, shift, scale).cpu()) < TOLERANCES[dtype]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_kernels_hide_nothing_that_is_not_finite(device: torch.device, value: float) -> None:
    x = noise(3, 64).half().to(device)
    x[1, 5] = value
    vector = noise(64).to(device)
    assert not rms_modulate(x, vector, vector, EPS)[1, 5].isfinite()
