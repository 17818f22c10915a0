"""Matching by rank for many values, without sorting them.

They are counted in many narrow bins, and each bin is moved as a whole to the median of the target's values of its
ranks, so that a value lands within about a bin's width of where a sort would have put it. That takes time in proportion
to the number of values, and the counts are all that is kept of them, so frames can be counted one after another.

Equal values stay equal. A sort would spread them over the target's values of their ranks in whatever order it leaves
them, which in a picture is noise on what was flat.
"""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 2**16


def count(bins: Tensor, groups: int = 1) -> Tensor:
    """How often each bin occurs.

    Args:
        bins: numbers below `groups` * BINS, of any shape, int32 or int64; those of group g begin at g * BINS.

    Returns:
        (groups, BINS) int64.
    """
    size = groups * BINS
    # On a device, `bincount` would wait for it to find out how large the result is.
    counted = bins.flatten().bincount(minlength=size) if bins.device.type == "cpu" else _scattered(bins, size)
    return counted.view(groups, BINS)


def _scattered(bins: Tensor, size: int) -> Tensor:
    counts = torch.zeros(size, dtype=torch.int64, device=bins.device)
    return counts.scatter_add_(0, bins.flatten().long(), counts.new_ones(1).expand(bins.numel()))


def shifts(counts: Tensor, target: Tensor) -> Tensor:
    """By how many bins the values of each bin have to move to be distributed as the target is.

    Args:
        counts, target: (groups, BINS) from `count`; each group of at least one value.

    Returns:
        (groups, BINS) float32; 0 for bins that occur where both are the same. Bins that do not may hold anything.
    """
    # Group by group: the numbers in between take several times what the counts do.
    return torch.stack([_shifts(*group) for group in zip(counts, target, strict=True)])


def _shifts(counts: Tensor, target: Tensor) -> Tensor:
    below, target_below = counts.cumsum(0), target.cumsum(0)
    # In double: there can be more values than float32 has whole numbers.
    share = target_below[-1].double() / below[-1]
    middle = (below - counts.double() / 2) * share
    found = torch.searchsorted(target_below.double(), middle, right=True).clamp_(max=BINS - 1)
    # Where in the target's bin, from −½ at its lower edge to ½; its values are taken to lie evenly.
    place = 0.5 - (target_below[found] - middle) / target[found].clamp(min=1)
    return (found - torch.arange(BINS, device=found.device) + place).float()


def picked(table: Tensor, bins: Tensor) -> Tensor:
    """What a table (groups, BINS) has for each of `bins`, in their shape."""
    # Several times as fast as indexing is.
    return table.flatten().index_select(0, bins.flatten()).view(bins.shape)
