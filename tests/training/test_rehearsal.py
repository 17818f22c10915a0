from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from training.rehearsal import WAYS, rehearse, turn
from training.samples import Example


def numbered() -> Iterator[Example]:
    """Examples that say which they are, and where their top left corner is."""
    number = 0
    while True:
        clip = torch.zeros(1, 1, 3, 16, 16)
        clip[..., 0, 1] = 0.5
        yield Example(clip + number / 256, clip, torch.full((1, 5), float(number)))
        number += 1


def told(clips: Tensor) -> Tensor:
    """One hint for each 4x4 pixels: their brightest."""
    pooled = torch.nn.functional.max_pool2d(clips[:, :, 0], 4)
    return pooled[..., None].expand(-1, -1, -1, -1, 5)


def test_examples_come_as_often_as_was_asked_for() -> None:
    lessons = rehearse(numbered(), told, 4, seed=0, pool=50)
    numbers = [int(next(lessons).example.hints[0, 0]) for _ in range(4000)]
    assert 900 < max(numbers) < 1100
    counts = torch.bincount(torch.tensor(numbers))
    assert 3.5 < float(counts.float().mean()) < 4.5
    # Not all at once: the same picture eight steps in a row would be learned by heart.
    assert sum(a == b for a, b in pairwise(numbers)) < 200


def test_picture_original_and_hints_are_turned_alike() -> None:
    lessons = rehearse(numbered(), told, 8, seed=0, pool=5)
    places = set()
    for _ in range(200):
        example, hints = next(lessons)
        assert hints is not None
        number = float(example.hints[0, 0]) / 256
        mark = (example.original[0, 0, 0] == 0.5).nonzero()
        assert mark.shape == (1, 2)
        y, x = mark[0].tolist()
        places.add((y, x))
        assert abs(float(example.resized[0, 0, 0, y, x]) - 0.5 - number) < 2e-3
        brightest = hints[0, 0, ..., 0] == hints[0, 0, ..., 0].max()
        assert brightest.nonzero().tolist() == [[y // 4, x // 4]]
    assert len(places) == WAYS


def test_the_eight_ways_to_turn_differ_and_keep_every_value() -> None:
    x = torch.arange(2 * 3 * 4 * 4).view(2, 3, 4, 4)
    turned = [turn(x, way, -2) for way in range(WAYS)]
    assert len({tuple(y[0, 0].flatten().tolist()) for y in turned}) == WAYS
    for y in turned:
        assert torch.equal(y[1, 2].flatten().sort().values, x[1, 2].flatten())
    assert torch.equal(turn(x.permute(0, 2, 3, 1), 5, 1), turn(x, 5, -2).permute(0, 2, 3, 1))
