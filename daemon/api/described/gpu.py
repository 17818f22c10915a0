"""GPUs, here and on other machines."""

from __future__ import annotations

from daemon.api.answers.service import Cluster, GpuStatus, Offloaded
from daemon.api.described.examples import ID, MODEL
from daemon.api.described.operation import Operation, Table

OPERATIONS: Table = {
    ("GET", "/api/gpu/status"): Operation(
        "GPU", "get_gpu_status", GpuStatus,
        {"loaded": {
            "cuda_available": True, "gpu_name": "NVIDIA L40S", "vram_used_mb": 3418, "vram_total_mb": 45709,
            "model_loaded": True, "current_model": MODEL, "loading": False, "loading_model": None,
            "processing": False, "current_task": None, "device": "cuda:0", "model_idle_s": 12.0,
            "idle_timeout_s": 600.0, "ram_used_mb": 2048, "utilization": 0, "temperature_c": 41, "power_w": 35.2,
            "gpu_uuid": "GPU-3a1f8a4e-52b8-4f0e-9a37-6d2c0f8b1e55", "compute_capability": "8.9",
            "driver_version": "580.82.07", "cuda_version": "13.0", "torch_version": "2.13.0+cu130",
            "no_gpu_reason": None,
        }},
    ),
    ("GET", "/api/cluster"): Operation(
        "GPU", "get_cluster", Cluster,
        {"two": {
            "mode": "head",
            "places": [{
                "id": "studio-2:0", "machine": "studio-2", "gpu_index": 0, "kind": "NVIDIA L40S", "vram_mb": 45709,
                "free_mb": 9120, "engine": "1.0.0", "models": {MODEL: ""}, "vae": None, "fetches": False,
                "here": False, "state": "busy", "why": None, "model": MODEL, "unit": 7, "task_id": ID,
                "shared": True,
            }],
            "problems": ["studio-3 does not answer any more"], "lacking": [],
        }},
        about="With the cluster off there are no places, and the one GPU is that of GET /api/gpu/status.",
    ),
    ("POST", "/api/gpu/offload"): Operation(
        "GPU", "offload_gpu", Offloaded,
        {
            "released": {"status": "success", "message": "GPU memory released"},
            "later": {"status": "success", "message": "GPU memory released", "deferred": True},
        },
    ),
}  # fmt: skip
