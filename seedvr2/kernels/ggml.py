"""Packed blocks of ggml straight into the numbers that are multiplied with, without float32 in between."""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.kernels.switch import attempt

# What there are kernels for: the types that published models are stored in.
KINDS = frozenset({"Q4_0", "Q8_0", "Q4_K", "Q5_K", "Q6_K"})
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def unpack_into(data: Tensor, kind: str, out: Tensor) -> bool:
    """Dequantise blocks on a card, if there is a kernel for it: exact float32 arithmetic, rounded once.

    Its plain way is `seedvr2.checkpoint.ggml.dequantize`, which asks here first, and to which it is equal bit for bit.

    Args:
        data: uint8 (blocks, bytes of a block), contiguous.
        kind: the type's ggml name.
        out: (blocks, elements of a block), contiguous, on the same device.

    Returns:
        Whether `out` is filled.
    """

    def launch() -> Tensor:
        from seedvr2.kernels.gpu import ggml

        return ggml.unpack(data, kind, out)

    fits = kind in KINDS and out.dtype in _DTYPES and data.is_contiguous() and out.is_contiguous()
    return fits and attempt(f"unpack {kind}", data, launch) is not None
