"""How torch keeps a card's memory: in segments that grow, so that what is free in them is free for any size.

With segments of fixed sizes, the default, an H100 held up to 1.7 times what was alive, and a plan that fitted the card
ran out of memory (docs/gpu/README.md).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import torch

log = logging.getLogger(__name__)

# What a user may have said about it already; torch 2.9 heeds the old name alone.
VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
# In this order, by the version of torch. The variables are read too early for us to set them.
_SETTERS = ("_accelerator_setAllocatorSettings", "_cuda_cudaCachingAllocator_set_allocator_settings")
# More than a small block, which the allocator keeps elsewhere.
_TRIAL_BYTES = 4 << 20


def grow_segments(device: torch.device) -> bool:
    """Let the allocator's segments grow on a CUDA device, unless the user configured it; whether they will.

    What is allocated already stays as it is, so this comes first. A driver that cannot do it, as in some virtual
    machines, is noticed by a trial, and everything stays as it was.
    """
    configure = _setter()
    if any(os.environ.get(name) for name in VARIABLES) or configure is None:
        return False
    try:
        configure("expandable_segments:True")
        torch.empty(_TRIAL_BYTES, dtype=torch.uint8, device=device)
    except torch.OutOfMemoryError:
        # The card is full, which whoever needs it will be told.
        return True
    except RuntimeError as error:
        log.info("%s: segments of fixed sizes, as growing ones failed: %s", device, str(error).partition("\n")[0])
        configure("expandable_segments:False")
        return False
    return True


def _setter() -> Callable[[str], Any] | None:
    return next((found for name in _SETTERS if (found := getattr(torch._C, name, None)) is not None), None)
