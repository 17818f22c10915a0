"""`/api/gpu/…`: the GPU, and giving its memory back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daemon.api.cluster import places
from daemon.api.context import Context
from daemon.api.route import Route
from daemon.engine.messages import DeviceReport
from daemon.work.worker import Activity


def routes(context: Context) -> list[Route]:
    """The routes of this topic."""

    def status() -> dict[str, Any]:
        return gpu_status(context)

    def offload() -> dict[str, Any]:
        answer: dict[str, Any] = {"status": "success", "message": "GPU memory released"}
        return answer | {"deferred": True} if context.worker.offload() else answer

    return [
        Route("GET", "/api/gpu/status", status, "GPU, memory and model in use"),
        Route("POST", "/api/gpu/offload", offload, "Unload the model and release its memory"),
    ]


def gpu_status(context: Context) -> dict[str, Any]:
    """All documented keys, with or without a GPU."""
    facts, report = context.gpu.facts(), context.gpu.report
    worker, model = context.worker, context.executor.model
    current, idle = worker.current, worker.model_idle_s
    return {
        # What the engine uses, not what is plugged in: a driver may be too old for it.
        "cuda_available": report is not None and report.device == "cuda",
        "gpu_name": facts.name if facts else report.name or None if report else None,
        "vram_used_mb": facts.memory_used_mb if facts else 0,
        "vram_total_mb": facts.memory_total_mb if facts else report.memory_mb if report else 0,
        "model_loaded": model is not None,
        "current_model": model,
        "loading": worker.activity is Activity.LOADING,
        "loading_model": worker.loading_model,
        "processing": current is not None,
        "current_task": current.id if current else None,
        "device": f"cuda:{facts.index}" if facts else "cpu",
        "model_idle_s": None if idle is None else round(idle, 1),
        "idle_timeout_s": context.config.model.idle_timeout_s,
        "ram_used_mb": resident_mb(),
        "utilization": facts.utilization if facts else None,
        "temperature_c": facts.temperature_c if facts else None,
        "power_w": facts.power_w if facts else None,
        **_reported(report),
        **({"places": places(context)} if context.cluster else {}),
    }


def _reported(report: DeviceReport | None) -> dict[str, str | None]:
    """What the engine said at its last start; nothing before its first."""
    said = report or DeviceReport()
    return {
        "gpu_uuid": said.uuid or None,
        "compute_capability": said.capability or None,
        "driver_version": said.driver or None,
        "cuda_version": said.runtime or None,
        "torch_version": said.torch or None,
        "no_gpu_reason": said.why or None,
    }


def resident_mb() -> int:
    """Main memory of this process and its children, in MiB."""
    pages = sum(_resident_pages(pid) for pid in ("self", *_children()))
    return pages * os.sysconf("SC_PAGESIZE") >> 20


def _children() -> Iterator[str]:
    for thread in Path("/proc/self/task").iterdir():
        # A thread may end meanwhile; and not every kernel tells.
        with contextlib.suppress(OSError):
            yield from (thread / "children").read_text(encoding="ascii").split()


def _resident_pages(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
