"""Keeps the one process of the engine: starts it where the settings say, and looks at what it computes on."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from daemon.engine.child import START_S, Child
from daemon.engine.faults import as_error
from daemon.engine.messages import DeviceReport, Setup
from daemon.engine.visible import choose
from daemon.errors import EngineAwayError
from daemon.settings.keys import ModelSettings
from seedvr2.errors import Cancelled
from seedvr2.units import gigabytes

log = logging.getLogger(__name__)
_POLL_S = 0.1
_FULL = "the memory of the GPU or of the machine is full, so the engine cannot be started; it is tried again by itself"


class Keeper:
    """Thread-safe.

    Args:
        setup: what the process is told first. on_device: told what it computes on, at each start.
        main: the module that it runs.
    """

    def __init__(
        self, main: str, setup: Setup, settings: ModelSettings, on_device: Callable[[DeviceReport], None]
    ) -> None:
        self._main = main
        self._setup = setup
        self._settings = settings
        self._on_device = on_device
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._had_gpu = False

    @property
    def child(self) -> Child | None:
        """The present process, ready or not, unless it has ended."""
        child = self._child
        return child if child is not None and child.alive else None

    def end(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.end("it was unloaded")

    def ready(self, cancelled: Callable[[], bool]) -> Child:
        """The child, ready to be asked.

        Raises:
            EngineAwayError: there can be none now. Cancelled: nobody waits for it any more.
        """
        child = self._present()
        deadline = time.monotonic() + START_S
        while not child.wait_ready(_POLL_S):
            if cancelled():
                raise Cancelled("Stopped while the engine was being started.")
            if time.monotonic() > deadline:
                child.kill(f"it was not ready within {START_S:.0f} s")
        self._accept(child)
        return child

    def _present(self) -> Child:
        with self._lock:
            if self._child is None or not self._child.alive:
                choice = choose(self._settings, os.environ)
                setup = replace(self._setup, device=choice.device)
                self._child = Child(self._main, setup, choice.environment(), self._settings.idle_timeout_s)
            return self._child

    def _accept(self, child: Child) -> None:
        report = child.device
        if report is None:
            error = _away(child)
            if child.fault is not None and child.fault.device:
                self._on_device(DeviceReport(why=str(error)))
            raise error
        if not child.introduced.acquire(blocking=False):
            return
        self._on_device(report)
        if report.device == "cpu" and self._had_gpu:
            child.end("it does not find the GPU any more")
            raise EngineAwayError(f"the GPU is gone: {report.why}")
        self._had_gpu = self._had_gpu or report.device != "cpu"
        if report.device == "cpu":
            log.info("computing on the processor (%s of memory): %s", gigabytes(report.memory_mb << 20), report.why)
        else:
            log.info(
                "computing on %s (%s, %d MiB, capability %s; driver %s, CUDA %s, PyTorch %s)",
                *(report.name, report.uuid, report.memory_mb, report.capability),
                *(report.driver, report.runtime, report.torch),
            )


def _away(child: Child) -> EngineAwayError:
    fault = child.fault
    if fault is None:
        return EngineAwayError(f"the engine cannot be started: {child.why}")
    if fault.device:
        return EngineAwayError(f"the GPU does not answer: {fault.message}")
    if fault.kind == "OutOfMemoryError":
        return EngineAwayError(_FULL)
    return EngineAwayError(f"the engine cannot be started: {as_error(fault)}")
