from __future__ import annotations

import pytest
import torch

from seedvr2.colour.matching import match_ranks
from tests.seedvr2.colour.frames import noise


def test_the_distribution_is_the_targets_and_the_order_ones_own() -> None:
    values, target = noise(1000, seed=1), noise(1000, seed=2) ** 3
    matched = match_ranks(values, target)
    assert torch.equal(matched.sort().values, target.sort().values)
    assert (matched[values.argsort()].diff() >= 0).all()


def test_part_of_the_way() -> None:
    values, target = noise(1000, seed=1), noise(1000, seed=2) ** 3
    torch.testing.assert_close(match_ranks(values, target, 0.25), torch.lerp(values, match_ranks(values, target), 0.25))


@pytest.mark.parametrize(("count", "total"), [(5, 3), (3, 5), (1, 4), (4, 1), (300, 200)])
def test_counts_may_differ(count: int, total: int) -> None:
    target = torch.arange(total).float()
    matched = match_ranks(torch.arange(count).float().flip(0), target)
    assert matched[-1] == 0
    assert matched[0] == (total - 1 if count > 1 else 0)
    assert (matched.diff() <= 0).all()


def test_nothing_that_is_passed_changes() -> None:
    values, target = noise(50, seed=1), noise(50, seed=2)
    before = values.clone(), target.clone()
    match_ranks(values, target, 0.5)
    assert torch.equal(values, before[0])
    assert torch.equal(target, before[1])
