"""The matrices of a module in one piece of main memory, byte for byte as they are kept, so that one copy sends them.

What arrives is as packed as what left: fp8 and GGUF blocks are expanded on the device, by the layers themselves.
Vectors (norms, biases, modulation) weigh nothing and stay on the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from seedvr2.checkpoint import PackedTensor
from seedvr2.network.stored import Stored, place
from seedvr2.network.transfer import Transfer

# Every weight starts at a multiple of so many bytes, as it would in memory of its own.
_ALIGNMENT = 256


@dataclass(frozen=True, slots=True)
class _Weight:
    """One matrix: whose it is, where its bytes start, and how they are to be read."""

    owner: nn.Module
    name: str
    start: int
    nbytes: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    ggml_type: str | None

    def within(self, buffer: Tensor) -> Tensor:
        """Its bytes in `buffer`, as numbers of its type; blocks as they are."""
        flat = buffer[self.start : self.start + self.nbytes].view(self.dtype)
        return flat if self.ggml_type else flat.as_strided(self.shape, self.strides)

    def place_from(self, buffer: Tensor) -> None:
        """Let its owner use what lies in `buffer`."""
        numbers = self.within(buffer)
        stored = PackedTensor(self.ggml_type, self.shape, numbers) if self.ggml_type else numbers
        place(self.owner, self.name, stored)


class HostWeights:
    """The matrices of a module, in main memory; they can be lent to the device and recalled.

    Attributes:
        buffer: uint8, all of them. A copy of it is what `lend` takes.
    """

    def __init__(self, module: nn.Module, transfer: Transfer) -> None:
        """Take the matrices over from wherever they are."""
        found = list(_matrices(module))
        self._weights: list[_Weight] = []
        size = 0
        for owner, name, stored in found:
            self._weights.append(_describe(owner, name, stored, size))
            size += -(-self._weights[-1].nbytes // _ALIGNMENT) * _ALIGNMENT
        self.buffer = transfer.host_buffer(size) if size else torch.empty(0, dtype=torch.uint8)
        for weight, (_, _, stored) in zip(self._weights, found, strict=True):
            target = weight.within(self.buffer)
            target.copy_(stored.data.view(-1) if isinstance(stored, PackedTensor) else stored)
        self.recall()

    @property
    def nbytes(self) -> int:
        """Bytes that they take, here and on the device."""
        return self.buffer.nbytes

    def lend(self, buffer: Tensor) -> None:
        """Let the module compute with the copy in `buffer`, which may be larger."""
        for weight in self._weights:
            weight.place_from(buffer)

    def recall(self) -> None:
        """Let the module forget the copy, and hold what is in main memory."""
        self.lend(self.buffer)


def _matrices(module: nn.Module) -> Iterator[tuple[nn.Module, str, Stored]]:
    for owner in module.modules():
        stored: dict[str, Stored] = {name: value for name, value in owner._parameters.items() if value is not None}
        stored |= {name: value for name, value in vars(owner).items() if isinstance(value, PackedTensor)}
        yield from ((owner, name, value) for name, value in stored.items() if len(value.shape) > 1)


def _describe(owner: nn.Module, name: str, stored: Stored, start: int) -> _Weight:
    shape = tuple(stored.shape)
    if isinstance(stored, PackedTensor):
        return _Weight(owner, name, start, stored.nbytes, shape, (), torch.uint8, stored.ggml_type)
    # The layout is kept (a convolution's may be channels last), unless there are gaps in it.
    span = sum((size - 1) * stride for size, stride in zip(shape, stored.stride(), strict=True)) + 1
    layout = stored if span == stored.numel() else stored.new_empty(shape, device="meta")
    return _Weight(owner, name, start, prod(shape) * stored.itemsize, shape, layout.stride(), stored.dtype, None)
