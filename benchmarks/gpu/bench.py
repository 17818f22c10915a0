"""What every step is given: the device, the sizes, the time that is left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from benchmarks.gpu.meter import live_bytes
from benchmarks.gpu.scale import Scale
from seedvr2.model import choose_dtype
from seedvr2.network.precision import vae_dtype


@dataclass
class Bench:
    """The device under test and how large the checks are on it."""

    device: torch.device
    scale: Scale
    deadline: float = math.inf
    # Operations a second of a large matrix product, by type: measured once, asked for by several steps.
    speeds: dict[torch.dtype, float] = field(default_factory=dict)
    _copy_speed: float = 0.0

    @property
    def dtype(self) -> torch.dtype:
        """What the engine computes in on this device by default."""
        return choose_dtype("auto", self.device)

    @property
    def vae_dtype(self) -> torch.dtype:
        """What the engine's VAE computes in beside that."""
        return vae_dtype(self.dtype, self.device)

    def room(self) -> int:
        """Bytes that tensors could still take; without end on the processor, where sizes are tiny."""
        if self.device.type != "cuda":
            return 1 << 62
        free, _ = torch.cuda.mem_get_info(self.device)
        return free + torch.cuda.memory_reserved(self.device) - live_bytes(self.device)

    def left(self) -> float:
        """Seconds until the time of the present step is up."""
        return self.deadline - time.monotonic()

    def synchronize(self) -> None:
        """Wait until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], object], *, repeats: int = 3) -> float:
        """The shortest of some runs of `work`, after one that does not count."""
        best = math.inf
        for attempt in range(repeats + 1):
            self.synchronize()
            started = time.perf_counter()
            work()
            self.synchronize()
            if attempt:
                best = min(best, time.perf_counter() - started)
        return best

    def copy_speed(self) -> float:
        """Bytes a second that a large copy within the device's memory copies; it reads and writes so many."""
        if not self._copy_speed:
            source = torch.zeros(self.scale.copy_bytes, dtype=torch.uint8, device=self.device)
            target = torch.empty_like(source)
            self._copy_speed = len(source) / self.seconds(lambda: target.copy_(source))
        return self._copy_speed

    def matmul_speed(self, dtype: torch.dtype) -> float:
        """Operations a second of one large square matrix product."""
        if dtype not in self.speeds:
            edge = self.scale.matmul_edge
            a, b = (torch.randn(edge, edge, device=self.device).to(dtype) for _ in range(2))
            self.speeds[dtype] = 2 * edge**3 / self.seconds(lambda: a @ b, repeats=5)
        return self.speeds[dtype]
