"""How much memory a model may take on this machine, found out without PyTorch: only for choosing what to fetch."""

from __future__ import annotations

import contextlib
import os

# Of the main memory, where there is no GPU: the rest of the machine needs some, and so do the frames.
_SHARE = 0.5


def model_memory() -> int:
    """Bytes: all memory of the largest NVIDIA GPU, or half of the main memory where there is none."""
    # Late: a check of a GPU looks at models without it.
    import pynvml

    with contextlib.suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        try:
            handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
            totals = [int(pynvml.nvmlDeviceGetMemoryInfo(handle).total) for handle in handles]
        finally:
            pynvml.nvmlShutdown()
        if totals:
            return max(totals)
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _SHARE)
