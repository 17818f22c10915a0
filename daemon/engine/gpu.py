"""Facts about GPUs from NVML, with or without a driver. Costs no GPU memory, unlike asking torch."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pynvml

from daemon.engine.messages import DeviceReport

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
    """Looks at the GPU that the engine uses. A driver that is missing is asked for again every `RETRY_S` seconds.

    Thread-safe.

    Args:
        gpu: the setting `model.gpu`, which counts until the engine has said what it computes on.
    """

    def __init__(self, gpu: str) -> None:
        self._gpu = gpu
        self._lock = threading.Lock()
        self._next_try = 0.0
        self._ready = False
        self.report: DeviceReport | None = None

    def observed(self, report: DeviceReport) -> None:
        """The engine says what it really computes on."""
        self.report = report

    def facts(self) -> GpuFacts | None:
        """The GPU in use, or None without one."""
        report = self.report
        if self._gpu.lower() in NONE or (report is not None and report.device == "cpu"):
            return None
        with self._lock:
            if not self._ready and not self._connect():
                return None
            try:
                return _read(_handle(report.uuid if report and report.uuid else self._gpu))
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


def look(gpu: str) -> GpuFacts | None:
    """The GPU of that number or UUID now, asked once; None without a driver. `gpu`: as the setting `model.gpu`."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return _read(_handle(gpu))
    except pynvml.NVMLError:
        return None
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


@dataclass(frozen=True, slots=True)
class Card:
    """One GPU as the driver lists it, by slot; `divided`: into MIG instances, whose UUIDs are `instances`."""

    uuid: str
    name: str
    divided: bool = False
    instances: tuple[str, ...] = ()


def cards() -> list[Card]:
    """The GPUs of this machine in the driver's order; none without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [_card(handle) for handle in handles]
    except pynvml.NVMLError:
        return []
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _card(handle: Any) -> Card:
    uuid, name = _text(pynvml.nvmlDeviceGetUUID(handle)), _text(pynvml.nvmlDeviceGetName(handle))
    mode = _optional(lambda: pynvml.nvmlDeviceGetMigMode(handle)[0])
    if not mode:
        return Card(uuid, name)
    instances = []
    for index in range(_optional(lambda: pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)) or 0):
        # The numbers have holes.
        with contextlib.suppress(pynvml.NVMLError):
            instances.append(_text(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))))
    return Card(uuid, name, divided=True, instances=tuple(instances))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _handle(gpu: str) -> Any:
    first = gpu.split(",")[0].strip()
    if first.startswith(("GPU-", "MIG-")):
        return pynvml.nvmlDeviceGetHandleByUUID(first)
    count = pynvml.nvmlDeviceGetCount()
    number = int(first) if first.isdigit() and int(first) < count else 0
    return pynvml.nvmlDeviceGetHandleByIndex(number)


def _read(handle: Any) -> GpuFacts:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    power = _optional(lambda: pynvml.nvmlDeviceGetPowerUsage(handle))
    return GpuFacts(
        name=_text(pynvml.nvmlDeviceGetName(handle)),
        # An instance of a divided card has none.
        index=_optional(lambda: int(pynvml.nvmlDeviceGetIndex(handle))) or 0,
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
