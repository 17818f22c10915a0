"""Matching by rank, exactly: the k-th smallest value becomes the k-th smallest of the target."""

from __future__ import annotations

import torch
from torch import Tensor

# Up to so many values are matched by sorting them; more would take long, and `histogram.py` is as good for them.
FEW = 2**16


def match_ranks(values: Tensor, target: Tensor, strength: float = 1.0) -> Tensor:
    """`values` (n,) with the distribution of `target` (m,), or on the way to it where `strength` is below 1.

    One sort each and a scatter. Equal values get different targets, in the order that the sort leaves them; it is
    not a stable one because the reference's is not.
    """
    wanted = target.sort().values
    ordered, order = values.sort()
    if len(wanted) != len(ordered):
        # In float32, as the reference.
        shares = torch.linspace(0, 1, len(ordered), device=wanted.device)
        wanted = wanted[shares.mul_(len(wanted) - 1).long()]
    return torch.empty_like(values).scatter_(0, order, torch.lerp(ordered, wanted, strength))
