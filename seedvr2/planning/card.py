"""What is known of the device that a job runs on, real or simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

# What the driver keeps for the context of one process, before anything is allocated: 0.4 to 0.8 GiB were seen.
CONTEXT = 800 << 20


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU at one moment. All sizes in bytes.

    Attributes:
        total: of the card. free: what the driver would give out now.
        reserved, allocated: what this process holds, and what of it is in use. weights: of that, the model's.
        capability: CUDA's compute capability.
    """

    name: str
    total: int
    free: int
    capability: tuple[int, int] = (8, 0)
    reserved: int = 0
    allocated: int = 0
    weights: int = 0

    @property
    def usable(self) -> int:
        """What a job could have, its weights included: what is free, and what this process holds and can reuse.

        The model in memory must not count against itself, or the next job would see a smaller card than this one.
        """
        return self.free + self.reserved - self.allocated + self.weights

    @property
    def capacity(self) -> int:
        """What a job could have with nothing else on the card."""
        return self.total - CONTEXT


class DeviceLayer(Protocol):
    """Where the facts of a device come from; simulated cards have one of their own."""

    def card(self, weights: int = 0) -> Card:
        """The device now; `weights` are the bytes of the model that this process has on it."""
        ...

    def forget_peak(self) -> None:
        """Start to measure anew."""
        ...

    def peak(self) -> int:
        """Most bytes in use since then, weights included; 0 where nothing can be measured."""
        ...


@dataclass(frozen=True, slots=True)
class CudaLayer:
    """A real GPU, as torch and the driver see it."""

    device: torch.device

    def card(self, weights: int = 0) -> Card:
        """The device now."""
        properties = torch.cuda.get_device_properties(self.device)
        free, total = torch.cuda.mem_get_info(self.device)
        return Card(
            name=properties.name,
            total=total,
            free=free,
            capability=(properties.major, properties.minor),
            reserved=torch.cuda.memory_reserved(self.device),
            allocated=torch.cuda.memory_allocated(self.device),
            weights=weights,
        )

    def forget_peak(self) -> None:
        """Start to measure anew."""
        torch.cuda.reset_peak_memory_stats(self.device)

    def peak(self) -> int:
        """Most bytes that were allocated since then."""
        return int(torch.cuda.max_memory_allocated(self.device))


@dataclass(slots=True)
class SimulatedLayer:
    """A card of a size that is made up, for tests and for the table of docs/gpu.md."""

    gigabytes: int
    capability: tuple[int, int] = (8, 0)
    others: int = 0
    name: str = "a simulated card"

    def card(self, weights: int = 0) -> Card:
        """The card with `weights` on it and `others` bytes in use by other programs."""
        total = self.gigabytes << 30
        free = total - CONTEXT - self.others - weights
        return Card(self.name, total, free, self.capability, reserved=weights, allocated=weights, weights=weights)

    @property
    def limit(self) -> int:
        """Live bytes from which on an allocation fails."""
        return (self.gigabytes << 30) - CONTEXT - self.others

    def forget_peak(self) -> None:
        """Nothing is measured."""

    def peak(self) -> int:
        """Nothing was measured."""
        return 0
