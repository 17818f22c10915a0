"""How many rows of tokens go through a step at a time, so that what a step makes for itself stays small.

On a processor that is what its caches hold: a chain of cheap operations then runs at their speed, not at that of the
memory. On a GPU it only bounds the memory; products of some thousand rows fill one.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from seedvr2.places import on_processor

# The third-level cache of a server's processor, or half of it; and a hundredth of a card's memory.
_PROCESSOR_BYTES = 16 << 20
_DEVICE_BYTES = 128 << 20
# Products are fastest with whole blocks of rows, and slow with a few.
_BLOCK = 32
_LEAST = 4 * _BLOCK


def rows_at_a_time(bytes_per_row: int, device: torch.device) -> int:
    """Rows whose temporaries of `bytes_per_row` bytes together are as large as is good on `device`."""
    rows = (_PROCESSOR_BYTES if on_processor(device) else _DEVICE_BYTES) // bytes_per_row
    return max(rows // _BLOCK * _BLOCK, _LEAST)


def slices(rows: int, step: int) -> Iterator[slice]:
    """`rows` rows as slices of about `step`, none of them much smaller than the others."""
    parts = max(-(-rows // step), 1)
    size = max(-(-rows // parts), 1)
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
