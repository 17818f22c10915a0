"""Transformer blocks whose weights wait in main memory, and are on the device while they compute.

While one of them computes, the next one's weights are already on their way to the other of two buffers, so a device
that computes a block for longer than its weights travel never waits.
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import dataclass

from torch import Tensor, nn

from seedvr2.network.host_weights import HostWeights
from seedvr2.network.transfer import Mark, Transfer


def swapped_blocks(total: int, count: int) -> tuple[int, ...]:
    """Which `count` of `total` blocks wait in main memory.

    Evenly spread: between two of them, blocks that are on the device anyway compute while weights travel.
    """
    count = min(count, total)
    return tuple((2 * index + 1) * total // (2 * count) for index in range(count))


@dataclass(slots=True)
class _Slot:
    """A buffer on the device: from when on it may be overwritten, and when what it is given has arrived."""

    buffer: Tensor
    left: Mark
    arrived: Mark = None


class BlockSwap:
    """Gives out the blocks of a network in order, each with its weights on the device."""

    def __init__(self, blocks: nn.ModuleList, swapped: Collection[int], transfer: Transfer) -> None:
        """The weights of the blocks with the numbers `swapped` are taken into main memory."""
        self._blocks = blocks
        self._transfer = transfer
        self._order = sorted(swapped)
        self._weights = [HostWeights(blocks[index], transfer) for index in self._order]

    @property
    def resident_bytes(self) -> int:
        """Bytes on the device during a pass: two buffers that hold the largest block."""
        return min(2, len(self._order)) * max((weights.nbytes for weights in self._weights), default=0)

    def __contains__(self, index: int) -> bool:
        return index in self._order

    def present(self) -> Generator[nn.Module, None, None]:
        """Each block in turn; it is ready until the next one is asked for. To be closed where a pass may break off."""
        slots = self._slots()
        turn = 0
        try:
            self._send(0, slots)
            for index, block in enumerate(self._blocks):
                if index not in self:
                    yield block
                    continue
                # Its slot is that of the block before this one, which has computed.
                self._send(turn + 1, slots)
                yield from self._lent(block, self._weights[turn], slots[turn % 2])
                turn += 1
        finally:
            # Buffers are handed back in the order of the computation, so no copy into them may be left behind.
            for slot in slots:
                if slot.arrived is not None:
                    self._transfer.wait(slot.arrived)

    def _slots(self) -> list[_Slot]:
        size = self.resident_bytes // max(min(2, len(self._order)), 1)
        buffers = [self._transfer.device_buffer(size) for _ in self._order[:2]]
        return [_Slot(buffer, self._transfer.computed()) for buffer in buffers]

    def _send(self, turn: int, slots: list[_Slot]) -> None:
        if turn < len(self._order):
            slot, weights = slots[turn % 2], self._weights[turn]
            slot.arrived = self._transfer.copy(slot.buffer[: weights.nbytes], weights.buffer, slot.left)

    def _lent(self, block: nn.Module, weights: HostWeights, slot: _Slot) -> Generator[nn.Module, None, None]:
        self._transfer.wait(slot.arrived)
        weights.lend(slot.buffer)
        try:
            yield block
        finally:
            weights.recall()
            slot.left = self._transfer.computed()
