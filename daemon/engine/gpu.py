"""Facts about the GPU from NVML, with or without a driver. Costs no GPU memory, unlike asking torch."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pynvml

RETRY_S = 30.0
MIB = 1 << 20
NONE = ("none", "void", "-1", "cpu")


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """One GPU now. Memory in MiB, of all processes; None where the driver does not say."""

    name: str
    index: int
    memory_used_mb: int
    memory_total_mb: int
    utilization: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None


class GpuMonitor:
    """Looks at one GPU. A driver that is missing is asked for again every `RETRY_S` seconds. Thread-safe."""

    def __init__(self, gpu: str) -> None:
        self._gpu = gpu
        self._lock = threading.Lock()
        self._next_try = 0.0
        self._ready = False

    def facts(self) -> GpuFacts | None:
        """The GPU in use, or None without one."""
        if self._gpu.lower() in NONE:
            return None
        with self._lock:
            if not self._ready and not self._connect():
                return None
            try:
                return _read(_handle(self._gpu))
            except pynvml.NVMLError:
                # A driver update or a lost GPU: begin again later.
                self._ready, self._next_try = False, time.monotonic() + RETRY_S
                return None

    def close(self) -> None:
        """Let go of the driver."""
        with self._lock:
            if self._ready:
                self._ready = False
                with contextlib.suppress(pynvml.NVMLError):
                    pynvml.nvmlShutdown()

    def _connect(self) -> bool:
        if time.monotonic() < self._next_try:
            return False
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            self._next_try = time.monotonic() + RETRY_S
            return False
        self._ready = True
        return True


def visible_devices(gpu: str) -> str | None:
    """The value of CUDA_VISIBLE_DEVICES for a `model.gpu` setting; None to leave it alone.

    Inside a container the runtime has already hidden the other GPUs and renumbered those left, so a number
    beyond the count means "the one that is there".
    """
    first = gpu.split(",")[0].strip()
    if first.lower() in NONE:
        return ""
    if first.lower() in ("", "all"):
        return None
    if not first.isdigit():
        return first if first.startswith(("GPU-", "MIG-")) else None
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return None
    return first if int(first) < count else None


def _handle(gpu: str) -> Any:
    first = gpu.split(",")[0].strip()
    if first.startswith(("GPU-", "MIG-")):
        return pynvml.nvmlDeviceGetHandleByUUID(first)
    count = pynvml.nvmlDeviceGetCount()
    number = int(first) if first.isdigit() and int(first) < count else 0
    return pynvml.nvmlDeviceGetHandleByIndex(number)


def _read(handle: Any) -> GpuFacts:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    name = pynvml.nvmlDeviceGetName(handle)
    power = _optional(lambda: pynvml.nvmlDeviceGetPowerUsage(handle))
    return GpuFacts(
        name=name.decode() if isinstance(name, bytes) else str(name),
        index=int(pynvml.nvmlDeviceGetIndex(handle)),
        memory_used_mb=int(memory.used) // MIB,
        memory_total_mb=int(memory.total) // MIB,
        utilization=_optional(lambda: int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)),
        temperature_c=_optional(lambda: int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))),
        power_w=None if power is None else power / 1000,
    )


def _optional(ask: Callable[[], Any]) -> Any:
    # GeForce cards, WSL and virtual GPUs each leave something out.
    try:
        return ask()
    except pynvml.NVMLError:
        return None
