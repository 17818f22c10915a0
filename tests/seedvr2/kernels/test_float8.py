from __future__ import annotations

import pytest
import torch

from seedvr2.kernels import widen

DTYPES = [torch.float16, torch.bfloat16, torch.float32]


def every(stored: torch.dtype) -> torch.Tensor:
    """Each of the 256 values some times, in a number that no kernel's tile divides."""
    return torch.arange(256, dtype=torch.uint8).repeat(19)[:-7].view(stored)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stored", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_kernel(device: torch.device, stored: torch.dtype, dtype: torch.dtype) -> None:
    got, wanted = widen(every(stored).to(device), dtype).cpu(), every(stored).to(dtype)
    assert got.dtype == dtype
    assert torch.equal(got.isnan(), wanted.isnan())
    assert torch.equal(got.nan_to_num(nan=0.5), wanted.nan_to_num(nan=0.5))
    assert torch.equal(got.signbit()[~wanted.isnan()], wanted.signbit()[~wanted.isnan()])


@pytest.mark.parametrize("stored", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_plain(stored: torch.dtype) -> None:
    got = widen(every(stored), torch.float16)
    assert torch.equal(got.nan_to_num(), every(stored).half().nan_to_num())


def test_what_has_the_type_already_stays_itself() -> None:
    weight = torch.ones(3)
    assert widen(weight, torch.float32) is weight
