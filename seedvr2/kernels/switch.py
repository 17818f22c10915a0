"""Which way is taken: Triton's on a card where it works, the plain one everywhere else.

Triton comes with torch's builds for CUDA. It compiles on first use and wants a C compiler for that, so there are
machines with a card on which it is there and does not work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from seedvr2.trouble import is_out_of_memory

log = logging.getLogger(__name__)

# Kernels that have failed in this process.
_off: set[str] = set()
_plain_only = False


def failed() -> frozenset[str]:
    """Names of the kernels that have failed in this process, and are not used any more."""
    return frozenset(_off)


@cache
def has_triton() -> bool:
    """Whether Triton is installed, so that there can be kernels at all."""
    return find_spec("triton") is not None


@contextmanager
def plain_only() -> Iterator[None]:
    """In the block all take the plain way, as on a machine without Triton: to compare the two."""
    global _plain_only
    before, _plain_only = _plain_only, True
    try:
        yield
    finally:
        _plain_only = before


def attempt(kernel: str, x: Tensor, launch: Callable[[], Tensor]) -> Tensor | None:
    """What `launch` returns, or None where there is no card for it or it has failed: then the plain way is taken.

    A kernel that fails for another reason than memory is not tried again in this process, and the log says so once.

    Args:
        kernel: its name.
        x: one of the tensors; the kernel is launched where it is.
        launch: launches the kernel and returns its result, a part of which it may have written when it raises.

    Raises:
        RuntimeError: memory ran out.
    """
    if _plain_only or kernel in _off or not _on_card(x):
        return None
    try:
        # Triton launches on the current device, whichever the tensors are on.
        with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
            return launch()
    except Exception as error:  # whatever Triton, the C compiler or the driver raise: the plain way does the same
        if is_out_of_memory(error):
            raise
        _off.add(kernel)
        log.warning("The kernel %s does not work here and is not used: %s: %s", kernel, type(error).__name__, error)
        return None


def _on_card(x: Tensor) -> bool:
    # Tensors without data are of a class of their own.
    return x.is_cuda and type(x) in (Tensor, nn.Parameter) and x.numel() > 0 and has_triton()
