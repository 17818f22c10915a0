"""Sums of neighbouring rows, each times a number of its own: what short filters begin and end with.

They are products with a matrix of a few rows. In bfloat16 most of such a product's time goes into bringing its operand
into the order that the processor multiplies in, so there they are convolutions of each channel alone, which leave out
the rows that count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import gcd

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

# Of so many rows at the most.
_FEW = 4


def row_sums(rows: Tensor, matrix: Tensor, step: int, out: Tensor | None = None) -> Iterable[Tensor]:
    """`matrix` times each n rows, from every `step`-th row on; summed in float32.

    Args:
        rows: (H, W, C), each contiguous.
        matrix: (k, n), of numbers that the type of `rows` has exactly.
        out: (k, (H - n) // step + 1, W, C), each of its rows contiguous: where the sums go.

    Returns:
        k sums (..., W, C), which are made as they are asked for unless there is `out`.
    """
    if matrix.shape[1] <= _FEW and rows.dtype == torch.bfloat16 and _by_channels():
        sums = _convolved(rows, matrix, step)
        if out is None:
            return sums
        for target, some in zip(out, sums, strict=True):
            target.copy_(some)
        return out
    numbers = matrix.to(rows.dtype)
    reach = numbers.shape[1]
    if out is None:
        out = rows.new_empty(len(numbers), (len(rows) - reach) // step + 1, *rows.shape[1:])
    for index in range(out.shape[1]):
        some = rows[index * step : index * step + reach]
        torch.mm(numbers, some.flatten(1), out=out[:, index].flatten(1))
    return out


@lru_cache
def _by_channels() -> bool:
    # Elsewhere a convolution of each channel alone is a call for each.
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported


def _convolved(rows: Tensor, matrix: Tensor, step: int) -> Iterator[Tensor]:
    height, _, channels = rows.shape
    image, numbers = rows[None].permute(0, 3, 1, 2), tuple(map(tuple, matrix.tolist()))
    for first, last, spacing, kernels in _kernels(numbers, channels, rows.dtype):
        some = image[:, :, first : height - matrix.shape[1] + last + 1]
        yield F.conv2d(some, kernels, None, (step, 1), 0, (spacing, 1), channels).permute(0, 2, 3, 1)[0]


@lru_cache
def _kernels(
    matrix: tuple[tuple[float, ...], ...], channels: int, dtype: torch.dtype
) -> list[tuple[int, int, int, Tensor]]:
    """Of each sum: the first row that counts, the last one, how far those between are apart, and the kernels."""
    found = []
    for numbers in matrix:
        used = [index for index, number in enumerate(numbers) if number]
        first, last = used[0], used[-1]
        spacing = gcd(*(index - first for index in used)) or 1
        taps = torch.tensor(numbers[first : last + 1 : spacing], dtype=dtype).view(1, 1, -1, 1)
        found.append((first, last, spacing, taps.repeat(channels, 1, 1, 1)))
    return found
