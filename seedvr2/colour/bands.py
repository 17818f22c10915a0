"""Large pictures in parts that stay in the processor's caches while one step after another is done to them.

A picture of 1080p has 25 MB: each step over all of it waits for main memory, and takes several times as long as the
same step over a part.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

# Elements for each thread, half a megabyte of float32: smaller parts would stay in the cache more surely, but each step
# takes some time to start, however little there is to do.
_PER_THREAD = 2**17


def bands(image: Tensor, dim: int) -> Iterator[slice]:
    """Parts of `image` along `dim`, one after another; all of it at once unless it is in main memory."""
    size = image.shape[dim]
    share = _PER_THREAD * torch.get_num_threads() / max(image.numel(), 1) if image.device.type == "cpu" else 1
    step = max(int(size * share), 1)
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))
