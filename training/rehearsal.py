"""Examples shown several times each, turned and mirrored.

Making an example takes longer than learning from it once the transformer rests and what it says can be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from torch import Tensor

from training.samples import Example

POOL = 1_000  # examples kept, half a gigabyte
WAYS = 8  # to turn and mirror a square


class Lesson(NamedTuple):
    """An example and, where it rests, the hints (N, T, h, w, 5) that the transformer gives."""

    example: Example
    told: Tensor | None = None


def rehearse(
    examples: Iterator[Example], tell: Callable[[Tensor], Tensor], times: int, seed: int, pool: int = POOL
) -> Iterator[Lesson]:
    """Endlessly, each example `times` times on average, some time apart and each time turned at random.

    Args:
        examples: new ones. tell: gives the hints (N, T, h, w, 5) of resized clips (N, T, 3, H, W).
        times: 1 or more. seed: of the order and the turns. pool: how many to keep.
    """
    rng = np.random.default_rng(seed)
    kept: list[tuple[Example, Tensor]] = []
    while True:
        if not kept or rng.random() < 1 / times:
            example = next(examples)
            # Half precision is a tenth of a level.
            new = (Example(*(part.half() for part in example)), tell(example.resized).half())
            if len(kept) < pool:
                place = len(kept)
                kept.append(new)
            else:
                place = int(rng.integers(pool))
                kept[place] = new
        else:
            place = int(rng.integers(len(kept)))
        (resized, original, hints), told = kept[place]
        way = int(rng.integers(WAYS))
        turned = Example(turn(resized.float(), way, -2), turn(original.float(), way, -2), hints.float())
        yield Lesson(turned, turn(told.float(), way, 2))


def turn(x: Tensor, way: int, rows: int) -> Tensor:
    """One of eight ways to turn and mirror what has its rows in that dimension and its columns in the next."""
    columns = rows + 1
    if way & 4:
        x = x.transpose(rows, columns)
    flipped = [dimension for bit, dimension in ((1, rows), (2, columns)) if way & bit]
    return x.flip(flipped) if flipped else x
