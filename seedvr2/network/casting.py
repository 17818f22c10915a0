"""From one floating point type to another on a processor, at the speed of its memory.

torch converts some pairs of types number by number; by way of float32, or of a table, and in pieces that stay in the
cache, the same numbers come two to five times sooner.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seedvr2.network.memo import Memo

# Numbers at a time, for each thread: in float32 they fit a third-level cache. Smaller pieces are no faster, and threads
# that meet more often wait longer for one another where other programs run.
_PIECE = 1 << 20

# Below, a plain cast takes no time worth saving.
_WORTH_IT = 1 << 16
_PAIRS = Memo(8)


def cast(stored: Tensor, dtype: torch.dtype) -> Tensor:
    """`stored` as numbers of `dtype`, equal bit for bit to `stored.to(dtype)`; itself where it is that already."""
    plain = type(stored) in (Tensor, torch.nn.Parameter) and stored.device.type == "cpu" and stored.is_contiguous()
    if not plain or stored.dtype == dtype or stored.numel() < _WORTH_IT or torch.is_grad_enabled():
        return stored.to(dtype)
    if stored.dtype == torch.float8_e4m3fn and stored.numel() % 2 == 0:
        return _by_table(stored, dtype)
    if stored.dtype == torch.float16 and dtype == torch.bfloat16:
        return _by_float32(stored, dtype)
    return stored.to(dtype)


def _by_float32(stored: Tensor, dtype: torch.dtype) -> Tensor:
    out = torch.empty(stored.shape, dtype=dtype)
    step = _PIECE * torch.get_num_threads()
    exact = torch.empty(min(step, stored.numel()))
    for source, target in zip(torch.split(stored.view(-1), step), torch.split(out.view(-1), step), strict=True):
        target.copy_(exact[: len(source)].copy_(source))
    return out


def _by_table(stored: Tensor, dtype: torch.dtype) -> Tensor:
    """Two numbers of one byte each are looked up together."""
    table = _pairs(stored.dtype, dtype)
    out = torch.empty(stored.shape, dtype=dtype)
    pairs = stored.view(-1).view(torch.uint16)
    step = _PIECE // 2 * torch.get_num_threads()
    for source, target in zip(torch.split(pairs, step), torch.split(out.view(-1).view(table.dtype), step), strict=True):
        torch.index_select(table, 0, source.int(), out=target)
    return out


def _pairs(stored: torch.dtype, dtype: torch.dtype) -> Tensor:
    return _PAIRS.get((stored, dtype), lambda: _made_pairs(stored, dtype))


def _made_pairs(stored: torch.dtype, dtype: torch.dtype) -> Tensor:
    """What two bytes stand for, the first in the lower half: (65536,) integers as wide as two numbers of `dtype`."""
    single = torch.arange(256, dtype=torch.uint8).view(stored).to(dtype)
    both = torch.arange(1 << 16)
    numbers = torch.stack((single[both & 255], single[both >> 8]), dim=-1)
    return numbers.view(torch.int32 if dtype.itemsize == 2 else torch.int64).flatten()
