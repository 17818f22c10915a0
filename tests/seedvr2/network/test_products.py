"""Products by oneDNN are the plain ones, and where it cannot be had the plain one is taken."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seedvr2.network import products
from seedvr2.network.products import Product

BOUNDS = {torch.float32: 1e-5, torch.bfloat16: 1e-2}


def _numbers(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*shape, generator=generator) for shape in ((37, 160), (96, 160), (96,)))
    return x.to(dtype), (weight * 160**-0.5).to(dtype), bias.to(dtype)


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("dtype", list(BOUNDS))
@torch.no_grad()
def test_a_product_is_that_of_the_exact_numbers(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, refused: bool
) -> None:
    if refused:
        monkeypatch.setattr(products, "_onednn_multiplies", lambda _dtype: False)
    x, weight, bias = _numbers(dtype)
    for with_bias in (bias, None):
        wanted = F.linear(x.double(), weight.double(), None if with_bias is None else with_bias.double())
        product = Product(weight, with_bias)
        for form in (product, product.packed(), product.for_rows(10), product.for_rows(10**5)):
            torch.testing.assert_close(form(x).double(), wanted, rtol=BOUNDS[dtype], atol=BOUNDS[dtype])
            torch.testing.assert_close(form(x[None])[0], form(x), rtol=0, atol=0)
            few = form.last(64)(x).double()
            torch.testing.assert_close(few, wanted[:, -64:], rtol=BOUNDS[dtype], atol=BOUNDS[dtype])


def test_an_operator_that_is_missing_or_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_arguments: object) -> None:
        raise AttributeError("no such operator")

    def wrong(x: torch.Tensor, weight: torch.Tensor, *_rest: object) -> torch.Tensor:
        return torch.zeros(len(x), len(weight), dtype=x.dtype)

    for replacement in (missing, wrong):
        monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", replacement, raising=False)
        assert not products._onednn_multiplies.__wrapped__(torch.float32)


def test_gradients_flow() -> None:
    x, weight, bias = (each.requires_grad_() for each in _numbers(torch.float32))
    Product(weight, bias).for_rows(10**5)(x).sum().backward()
    assert all(each.grad is not None and each.grad.any() for each in (x, weight, bias))
