"""A device that notes what it is asked for, and does it as early or as late as a real one might."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from seedvr2.checkpoint import PackedTensor


@dataclass(frozen=True)
class Mark:
    """How far both lines have come where it is reached."""

    computed: int
    copied: int


@dataclass(frozen=True)
class Event:
    """A `copy` into a buffer on the device, or a `use` of it by a block; `known` is what surely came before."""

    kind: str
    block: int | None
    buffer: int
    size: int
    known: Mark


@dataclass
class FakeDevice:
    """A `Transfer` within main memory.

    Each line (computation, copies) counts its operations; a mark, and what a line has waited for, tell what has
    surely happened before. A `late` device copies only when the computation waits for it, another one at once: right
    code gives the same result on both, and what was never copied is not a number.
    """

    late: bool = False
    events: list[Event] = field(default_factory=list)
    most: int = 0

    def __post_init__(self) -> None:
        self._computation = Mark(0, 0)
        self._copies = Mark(0, 0)
        self._waiting: list[tuple[int, Tensor, Tensor]] = []
        self._buffers: list[tuple[StorageWeakRef, int]] = []

    def alive(self) -> int:
        """Bytes of buffers that somebody still has."""
        self._buffers = [(ref, size) for ref, size in self._buffers if not ref.expired()]
        return sum(size for _, size in self._buffers)

    def host_buffer(self, size: int) -> Tensor:
        return torch.empty(size, dtype=torch.uint8)

    def device_buffer(self, size: int) -> Tensor:
        buffer = torch.full((size,), 255, dtype=torch.uint8)
        self._buffers.append((StorageWeakRef(buffer.untyped_storage()), size))
        self.most = max(self.most, self.alive())
        return buffer

    def computed(self) -> Mark:
        return self._computation

    def copy(self, target: Tensor, source: Tensor, after: Mark) -> Mark:
        known = _later(self._copies, after)
        self.events.append(Event("copy", None, target.data_ptr(), target.nbytes, known))
        self._copies = Mark(known.computed, known.copied + 1)
        self._waiting.append((self._copies.copied, target, source))
        if not self.late:
            self._copy_up_to(self._copies.copied)
        return self._copies

    def wait(self, mark: Mark) -> None:
        self._computation = _later(self._computation, mark)
        self._copy_up_to(mark.copied)

    def watch(self, blocks: nn.ModuleList) -> None:
        """Note each use of a block's weights that lie in one of the buffers."""
        for index, block in enumerate(blocks):
            block.register_forward_pre_hook(lambda module, _inputs, index=index: self._note_use(module, index))

    def _note_use(self, block: nn.Module, index: int) -> None:
        sent = {event.buffer for event in self.events if event.kind == "copy"}
        known = self._computation
        self.events += [Event("use", index, pointer, 0, known) for pointer in sent & set(_pointers(block))]
        self._computation = Mark(known.computed + 1, known.copied)

    def _copy_up_to(self, count: int) -> None:
        while self._waiting and self._waiting[0][0] <= count:
            _, target, source = self._waiting.pop(0)
            target.copy_(source)


def _later(first: Mark, second: Mark) -> Mark:
    return Mark(max(first.computed, second.computed), max(first.copied, second.copied))


def _pointers(module: nn.Module) -> Iterator[int]:
    """Where the storages of a module's matrices start."""
    for owner in module.modules():
        for value in (*owner._parameters.values(), *vars(owner).values()):
            data = value.data if isinstance(value, PackedTensor) else value
            if isinstance(data, Tensor) and len(value.shape) > 1:
                yield data.untyped_storage().data_ptr()
