"""Matching by rank: the darkest value of the content takes the darkest of the source, and so on."""

from __future__ import annotations

import torch
from torch import Tensor


def match_ranks(content: Tensor, style: Tensor) -> Tensor:
    """Values of `style` in the order of `content`, in the shape of `content`.

    Equal values take different targets, in whatever order the sort leaves them, as in the reference.
    Where the counts differ, the rank r of n takes the value at the same share of the source's ranks, rounded down.
    """
    values = style.flatten().sort().values
    order = content.flatten().sort().indices
    if len(order) != len(values):
        share = torch.linspace(0, 1, len(order), device=values.device)
        values = values[(share * (len(values) - 1)).long()]
    return torch.empty_like(values).scatter_(0, order, values).view(content.shape)
