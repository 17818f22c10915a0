"""Weights stored as 8-bit floats, as the type that is computed in."""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.kernels.switch import attempt

_STORED = (torch.float8_e4m3fn, torch.float8_e5m2)
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def widen(stored: Tensor, dtype: torch.dtype) -> Tensor:
    """`stored` as `dtype`, which every number of an 8-bit float fits in: exact. Itself if it is that already."""
    if stored.dtype not in _STORED or dtype not in _DTYPES or not stored.is_contiguous():
        return stored.to(dtype)

    def launch() -> Tensor:
        from seedvr2.kernels.gpu import float8

        return float8.widen(stored, dtype)

    widened = attempt(f"widen {stored.dtype}", stored, launch)
    return stored.to(dtype) if widened is None else widened
