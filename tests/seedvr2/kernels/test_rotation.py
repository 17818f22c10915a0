from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seedvr2.kernels import norm_rotate

EPS = 1e-5
TOLERANCES = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 1e-2}
# tokens, heads, head_dim, pairs: some pairs left as they are, all rotated, none.
CASES = [(7, 3, 128, 60), (1, 20, 128, 64), (33, 2, 64, 31), (5, 4, 48, 0)]


def queries(tokens: int, heads: int, dim: int, dtype: torch.dtype) -> Tensor:
    """The queries' slice of a projection, so that tokens are not next to each other."""
    whole = torch.randn(tokens, 3, heads, dim, generator=torch.Generator().manual_seed(0)) * 2
    return whole.to(dtype)[:, 0]


def angles(tokens: int, pairs: int) -> tuple[Tensor, Tensor]:
    given = torch.rand(tokens, pairs, generator=torch.Generator().manual_seed(1)) * 100
    return given.cos(), given.sin()


def exact(x: Tensor, weight: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    x = x.double()
    x = x / (x.square().mean(-1, keepdim=True) + EPS).sqrt() * weight.double()
    for pair in range(cosine.shape[1]):
        c, s = cosine[:, None, pair].double(), sine[:, None, pair].double()
        even, odd = x[..., 2 * pair].clone(), x[..., 2 * pair + 1].clone()
        x[..., 2 * pair], x[..., 2 * pair + 1] = even * c - odd * s, even * s + odd * c
    return x


def distance(got: Tensor, wanted: Tensor) -> float:
    return float((got.cpu().double() - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("tokens", "heads", "dim", "pairs"), CASES)
def test_plain(tokens: int, heads: int, dim: int, pairs: int, dtype: torch.dtype) -> None:
    x, weight, turn = queries(tokens, heads, dim, dtype), torch.rand(dim) + 0.5, angles(tokens, pairs)
    before = x.clone()
    result = norm_rotate(x, weight, *turn, EPS)
    assert result.dtype == dtype and result.is_contiguous() and torch.equal(x, before)
    assert distance(result, exact(x, weight, *turn)) < TOLERANCES[dtype]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("tokens", "heads", "dim", "pairs"), CASES)
def test_kernel(device: torch.device, tokens: int, heads: int, dim: int, pairs: int, dtype: torch.dtype) -> None:
    x, weight, turn = queries(tokens, heads, dim, dtype), torch.rand(dim) + 0.5, angles(tokens, pairs)
    on_device = queries(tokens, heads, dim, dtype).new_empty((tokens, 3, heads, dim), device=device)[:, 1]
    on_device.copy_(x)
    result = norm_rotate(on_device, weight.to(device), *(part.to(device) for part in turn), EPS)
    assert result.dtype == dtype and result.is_contiguous()
    assert distance(result, exact(x, weight, *turn)) < TOLERANCES[dtype]


def test_kernel_hides_nothing_that_is_not_finite(device: torch.device) -> None:
    x = queries(4, 2, 64, torch.float16).to(device)
    x[2, 1, 10] = float("nan")
    turn = (part.to(device) for part in angles(4, 20))
    finite = norm_rotate(x, torch.ones(64, device=device), *turn, EPS).isfinite().all(-1)
    assert (~finite).nonzero().tolist() == [[2, 1]]
