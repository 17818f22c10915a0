from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seedvr2.colour.histogram import BINS, _scattered, count, picked, shifts
from tests.seedvr2.colour.frames import noise


def _bins(values: Tensor) -> Tensor:
    """Of values in −1…1."""
    return ((values + 1) / 2 * BINS).int().clamp(max=BINS - 1)


def _matched(values: Tensor, target: Tensor) -> Tensor:
    moves = shifts(count(_bins(values)), count(_bins(target)))
    return values + picked(moves, _bins(values)) / (BINS / 2)


BIN = 2 / BINS


@pytest.mark.parametrize("pixels", [1, 7, 1000, 300_000])
def test_every_value_becomes_the_targets_of_its_rank(pixels: int) -> None:
    values, target = noise(pixels, seed=1) * 0.6, noise(pixels, seed=2) ** 3
    wanted = torch.empty(pixels).scatter_(0, values.argsort(), target.sort().values)
    error = (_matched(values, target) - wanted).abs()
    # Values of one bin move together, which shows where the target's lie far apart.
    assert error.mean() < BIN and error.max() < 0.005


def test_a_distribution_that_is_right_stays_exactly_as_it_is() -> None:
    values = noise(5000, seed=1) ** 3
    assert torch.equal(_matched(values, values.flip(0)), values)


def test_a_target_of_few_values_gives_these_values() -> None:
    target = torch.tensor([-0.5, 0.25, 0.75]).repeat_interleave(torch.tensor([100, 300, 600]))
    got = _matched(noise(1000, seed=1), target)
    assert (got.sort().values - target).abs().max() <= 1.5 * BIN


def test_equal_values_stay_equal_and_become_the_median() -> None:
    # Half of the values are one, as in a flat part of a picture: ranks 200 to 700 of the target.
    values = torch.cat((torch.linspace(-1, -0.5, 200), torch.full((500,), 0.125), torch.linspace(0.5, 1, 300)))
    target = noise(1000, seed=2) ** 3
    got = _matched(values, target)
    assert (got[200:700] - target.sort().values[200:700].median()).abs().max() < 0.01
    assert (got[200:700] == got[200]).all()
    # Also where all of them are.
    flat = _matched(torch.zeros(1000), target)
    assert (flat == flat[0]).all() and (flat[0] - target.median()).abs() < 0.01


@pytest.mark.parametrize(("own", "others"), [(5, 3), (3, 5), (1, 4), (4, 1), (300, 200), (1000, 10)])
def test_there_may_be_more_or_fewer_values_than_in_the_target(own: int, others: int) -> None:
    values, target = torch.linspace(-0.9, 0.9, own), torch.linspace(-0.5, 0.5, others)
    middles = (torch.arange(own).double() + 0.5) / own * others
    wanted = target[middles.floor().long().clamp(max=others - 1)]
    # A value whose share of the target is cut in two may become the one or the other.
    cut = (middles - middles.round()).abs() < 1e-6
    assert ((_matched(values, target) - wanted).abs()[~cut] <= 1.5 * BIN).all()


def test_groups_do_not_touch_each_other() -> None:
    first, second = noise(2, 3000, seed=1), noise(2, 3000, seed=2) ** 3
    behind = torch.tensor([[0], [BINS]])
    together = shifts(count(_bins(first) + behind, 2), count(_bins(second) + behind, 2))
    for group in range(2):
        alone = shifts(count(_bins(first[group])), count(_bins(second[group])))
        assert torch.equal(together[group], alone[0])


def test_more_values_than_float32_has_numbers_for_are_counted_one_by_one() -> None:
    # 2^24 + 1 values in one bin and a single one above it, and the other way round.
    many = torch.zeros(2, 1, BINS, dtype=torch.int64)
    many[0, 0, 10], many[0, 0, 20] = 2**24 + 1, 1
    many[1, 0, 30], many[1, 0, 40] = 2**24 + 1, 1
    moves = shifts(*many)
    assert moves[0, 10] == 20 and moves[0, 20] == 20


def test_counting_is_the_same_whatever_the_shape() -> None:
    bins = torch.randint(0, 2 * BINS, (3, 40, 50), generator=torch.Generator().manual_seed(1), dtype=torch.int32)
    counts = count(bins, 2)
    assert counts.shape == (2, BINS) and counts.sum() == bins.numel()
    assert torch.equal(counts.flatten(), torch.bincount(bins.flatten().long(), minlength=2 * BINS))
    assert torch.equal(count(bins.transpose(0, 2), 2), counts)
    # The way of devices.
    assert torch.equal(_scattered(bins, 2 * BINS).view(2, BINS), counts)
