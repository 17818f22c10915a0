"""Casts by tables and by way of float32 give what a plain cast gives."""

from __future__ import annotations

import pytest
import torch

from seedvr2.network.casting import cast


def _all_numbers(dtype: torch.dtype) -> torch.Tensor:
    """Every number of a type of one or two bytes, several times, so that there are many pieces."""
    codes = torch.arange(1 << 8 * dtype.itemsize, dtype=torch.int32)
    whole = codes.to(torch.uint8 if dtype.itemsize == 1 else torch.uint16).repeat((1 << 22) // len(codes) + 1)
    mixed = whole[torch.randperm(len(whole), generator=torch.Generator().manual_seed(0))]
    return mixed.view(dtype).view(-1, 16)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_every_number_is_cast_as_torch_casts_it(stored: torch.dtype, dtype: torch.dtype) -> None:
    numbers = _all_numbers(stored)
    with torch.no_grad():
        got = cast(numbers, dtype)
    assert got.dtype == dtype and got.shape == numbers.shape
    torch.testing.assert_close(got, numbers.to(dtype), rtol=0, atol=0, equal_nan=True)
    assert torch.equal(got.signbit() & ~got.isnan(), numbers.to(dtype).signbit() & ~got.isnan())


def test_odd_counts_and_gaps_are_cast_too() -> None:
    odd = torch.randn(3 * 5 * 7 * 4999).to(torch.float8_e4m3fn)
    gapped = torch.randn(1024, 1024).half()[:, ::2]
    with torch.no_grad():
        for each in (odd, gapped):
            assert torch.equal(cast(each, torch.bfloat16), each.to(torch.bfloat16))
