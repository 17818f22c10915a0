"""Peaks of memory, and limits to it: the allocator's own on a GPU, counted storages on a processor.

A limit is what makes one card behave like a smaller one: allocations beyond it fail as they do on a full card, and
whoever asks the driver how much is free is told what the smaller card would say.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from benchmarks.gpu.estimates import HOST_AVAILABLE
from benchmarks.gpu.rows import GIB
from seedvr2.model import release_memory

# What the driver, the context and the kernels take of a card before the first tensor.
CONTEXT_BYTES = 600 << 20


@dataclass(slots=True)
class Peak:
    """Bytes beyond those that were there before: of live tensors, and as the allocator holds them."""

    allocated: int = 0
    reserved: int = 0


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the storages that operations make, as a GPU's allocator would, and may refuse to make more."""

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._limit = limit
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation; what it is given is not counted, what it makes is."""
        self._note((args, kwargs), counted=False)
        result = func(*args, **(kwargs or {}))
        self._note(result, counted=True)
        self.peak = max(self.peak, self.live)
        if self._limit is not None and self.live > self._limit:
            raise torch.OutOfMemoryError(f"out of memory: {self.live} bytes of tensors, the limit is {self._limit}")
        return result

    def _note(self, tree: Any, *, counted: bool) -> None:
        for tensor in tree_iter(tree):
            if not isinstance(tensor, Tensor) or tensor.device.type == "meta":
                continue
            storage = tensor.untyped_storage()
            key, size = storage._cdata, storage.nbytes() if counted else 0
            if key not in self._known:
                self._known.add(key)
                self.live += size
                weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


@contextmanager
def peak_of(device: torch.device) -> Iterator[Peak]:
    """Filled, when the block ends, with the peak that it reached."""
    peak = Peak()
    if device.type != "cuda":
        with LiveBytes() as counter:
            yield peak
        peak.allocated = peak.reserved = counter.peak
        return
    release_memory()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    allocated, reserved = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
    yield peak
    torch.cuda.synchronize(device)
    peak.allocated = torch.cuda.max_memory_allocated(device) - allocated
    peak.reserved = torch.cuda.max_memory_reserved(device) - reserved


def live_bytes(device: torch.device) -> int:
    """Bytes of live tensors on a device, after a collection; on a processor, of those that Python can see."""
    gc.collect()
    if device.type == "cuda":
        # cuBLAS keeps its workspace among the tensors, once it has been used.
        torch._C._cuda_clearCublasWorkspaces()
        return torch.cuda.memory_allocated(device)
    storages = [part.untyped_storage() for part in gc.get_objects() if type(part) in (Tensor, torch.nn.Parameter)]
    return sum({storage._cdata: storage.nbytes() for storage in storages}.values())


def usable_bytes(device: torch.device, gigabytes: float) -> int:
    """What a card of that size, of the kind of `device`, leaves for tensors."""
    return int(gigabytes * GIB) - (CONTEXT_BYTES if device.type == "cuda" else 0)


@contextmanager
def limited(device: torch.device, limit: int) -> Iterator[None]:
    """Within the block, `device` has `limit` bytes for tensors and no more."""
    if device.type != "cuda":
        counter = LiveBytes(limit)
        with patch(HOST_AVAILABLE, lambda: max(limit - counter.live, 0)), counter:
            yield
        return
    total = torch.cuda.get_device_properties(device).total_memory

    def mem_get_info(_device: object = None) -> tuple[int, int]:
        return max(limit - torch.cuda.memory_reserved(device), 0), limit + CONTEXT_BYTES

    release_memory()
    torch.cuda.set_per_process_memory_fraction(min(limit / total, 1.0), device)
    try:
        with patch("torch.cuda.mem_get_info", mem_get_info):
            yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
