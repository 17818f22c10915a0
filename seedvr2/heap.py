"""glibc's heap, told how networks use memory on a processor: the same large blocks over and over.

By default a block of more than 32 MB is a mapping of its own, given back when freed, and the next one like it is
filled with zeros page by page: up to a third of nano's time at 720p. Elsewhere than on glibc nothing changes.
"""

from __future__ import annotations

import ctypes
import functools
import os

# From malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST = 2**31 - 1


@functools.cache
def keep_freed_blocks() -> None:
    """From now on reuse what is freed, however large, until `return_freed_blocks`.

    Best called before the process has threads: heaps that they have by then stay as they are, and cannot hold large
    blocks.
    """
    if (adjust := _function("mallopt")) is not None:
        for parameter, value in ((_M_MMAP_THRESHOLD, _LARGEST), (_M_TRIM_THRESHOLD, _LARGEST), (_M_ARENA_MAX, 1)):
            adjust(parameter, value)


def return_freed_blocks() -> None:
    """Give freed memory back to the system: a daemon that idles for hours should not hold it."""
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


def _function(name: str) -> ctypes._NamedFuncPointer | None:
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
