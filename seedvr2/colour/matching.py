"""Histogram matching by rank: the k-th smallest value becomes the k-th smallest of the target."""

from __future__ import annotations

import torch
from torch import Tensor


def match_ranks(values: Tensor, target: Tensor, strength: float = 1.0) -> Tensor:
    """`values` (n,) with the distribution of `target` (m,), or on the way to it where `strength` is below 1.

    One sort each and a scatter. Equal values get different targets, in the order that the sort leaves them; it is
    not a stable one because the reference's is not.
    """
    return match_in_place(values.clone(), target.clone(), strength)


def match_in_place(values: Tensor, target: Tensor, strength: float = 1.0) -> Tensor:
    """The same in the memory of `values`; both must be contiguous, and `target` is spoiled."""
    wanted = _sorted(target)
    ordered, order = values.sort()
    if len(wanted) != len(ordered):
        wanted = wanted[_spread(len(ordered), len(wanted), wanted.device)]
    matched = wanted if strength == 1 else ordered.lerp_(wanted, strength)
    del ordered
    return values.scatter_(0, order, matched)


def _sorted(values: Tensor) -> Tensor:
    if values.device.type != "cpu":
        return values.sort().values
    # In place, and not by PyTorch, which always sorts the indices along and takes three times as long.
    values.numpy().sort()
    return values


def _spread(count: int, total: int, device: torch.device) -> Tensor:
    """`count` indices from the first to the last of `total`, evenly, rounded down."""
    # In float32 as the reference, where the last of more than 2^24 may round to one too many.
    shares = torch.linspace(0, 1, count, device=device)
    return shares.mul_(total - 1).long().clamp_(max=total - 1)
