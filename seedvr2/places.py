"""Where tensors are worked on: a processor and a GPU are given the same work in different pieces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_counting_for_a_device = False


def on_processor(device: torch.device) -> bool:
    """Whether tensors there are worked on as a processor does it: not while they stand for those of a GPU."""
    return device.type == "cpu" and not _counting_for_a_device


@contextmanager
def as_on_a_device() -> Iterator[None]:
    """In here tensors in main memory are worked on as on a GPU: for counting what one would hold."""
    global _counting_for_a_device
    before, _counting_for_a_device = _counting_for_a_device, True
    try:
        yield
    finally:
        _counting_for_a_device = before
