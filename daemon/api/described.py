"""What the API document says about each route: its answers, examples and errors. Routes bring their own summary."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from daemon.api.answers.models import ModelRemoved, Models, PullAnswer, PullCancelled, Pulls, Switched
from daemon.api.answers.presets import PresetChanged, Presets
from daemon.api.answers.preview import Plan, Preview
from daemon.api.answers.queue import Held, History, Position, QueueStatus
from daemon.api.answers.service import ApiDocument, Cluster, GpuStatus, Health, Log, Offloaded, System
from daemon.api.answers.tasks import Cancelled, Deleted, Retried, Submitted, Task
from daemon.api.asked import DownloadQuery, FrameQuery, HistoryQuery, LogQuery, ManyQuery, ModelsQuery, RemoveQuery
from daemon.api.bodies import Query
from daemon.api.shapes import BINARY, TEXT, Schema
from seedvr2.options import OUTPUT_FORMATS

ID = "3f9a1c07"
MODEL = "seedvr2_ema_3b_fp8_e4m3fn.safetensors"
UNKNOWN_TASK = f"There is no task '{ID}'."
PREVIEW_ID = "9c1f02ab77de0b12"
NO_MODEL = "There is no model seedvr9.safetensors."

PARAMS = {
    "resolution": 1080, "scale": 0.0, "long_edge": 0, "max_resolution": 0, "fit_width": 0, "fit_height": 0,
    "strength": 1.0, "softness": 0.0, "batch_size": 5,
    "temporal_overlap": 0, "prepend_frames": 0, "uniform_batch_size": False, "shots": "auto", "stitching": "latent",
    "seed": 42, "color_correction": "lab", "input_noise_scale": 0.0, "latent_noise_scale": 0.0,
    "vae_tiling": "auto", "vae_quality": "high", "blocks_to_swap": 0, "tf32": False,
    "output_format": "auto", "profile": "auto", "video_codec": "auto", "encoder": "auto", "crf": -1.0,
    "encoder_preset": "", "deinterlace": "auto", "dit_model": None, "priority": "normal",
}  # fmt: skip
CREATED, STARTED, ENDED = "2026-01-31T12:00:00.000Z", "2026-01-31T12:00:01.000Z", "2026-01-31T12:00:26.000Z"
TASK = {
    "id": ID, "status": "processing", "progress": 50, "queue_position": 1, "created_at": CREATED,
    "started_at": STARTED, "params": PARAMS, "source": "api", "original_filename": "video.mp4",
    "media": {"kind": "video", "width": 640, "height": 360, "frames": 120},
    "stage": "restoring", "frames_done": 60, "frames_total": 120, "eta_s": 12.5,
}  # fmt: skip
RESULT = {
    "output_path": "/srv/seedvr2/outputs/video_3b_fp8_1080p_b5_clab_s42_25s.mp4",
    "output_filename": "video_3b_fp8_1080p_b5_clab_s42_25s.mp4", "output_resolution": "1920x1080", "model": MODEL,
    "frames_done": 120, "frames_total": 120, "warnings": [],
}  # fmt: skip
DONE = TASK | RESULT | {
    "status": "completed", "progress": 100, "queue_position": 0, "completed_at": ENDED, "process_time": 25.0,
    "stage": None, "eta_s": None,
}  # fmt: skip
WAITING = {key: value for key, value in TASK.items() if key != "started_at"} | {
    "status": "queued", "progress": 0, "queue_position": 2, "stage": None, "frames_done": 0, "frames_total": None,
    "eta_s": None, "params": PARAMS | {"priority": "high"},
}  # fmt: skip
PULL = {
    "model": "seedvr2_ema_7b-Q4_K_M.gguf", "state": "fetching", "file": "seedvr2_ema_7b-Q4_K_M.gguf",
    "done_bytes": 1200000000, "total_bytes": 4800000000, "percent": 25, "error": None,
}  # fmt: skip
PRESET = {"name": "film", "parameters": {"resolution": 2160, "batch_size": 21}, "saved": True}
SUBMITTED = {"status": "queued", "task_id": ID, "queue_position": 1, "estimated_wait_seconds": 25}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        name: what a method of a generated client is called.
        answer: what is answered.
        media: what is sent instead of JSON, by content type.
        query: what may follow the address.
        form, body: the names of the models that are sent, as a form or as JSON.
        in_parts: whether a part of the file can be asked for, and whether it has changed.
        kept: whether it is the same file the next time, which the client may have then.
    """

    tag: str
    name: str
    answer: type[BaseModel] | None = None
    examples: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    query: type[Query] | None = None
    media: Mapping[str, Schema] = field(default_factory=dict)
    form: str = ""
    body: str = ""
    in_parts: bool = False
    kept: bool = True
    about: str = ""


_STREAM = {"text/event-stream": TEXT}
_EVENTS = "Events are `state` and `progress`; their data is a task, as GET /api/status/{task_id} answers it."
_DOWNLOADS = " `model` is about a download, as GET /api/models/pull lists it."


def _files(*kinds: str) -> dict[str, Schema]:
    # The last for generators of clients that take no other for bytes.
    return dict.fromkeys((*kinds, "application/octet-stream"), BINARY)


_RESULTS = _files(*filter(None, (mimetypes.guess_type(f"x.{suffix}")[0] for suffix in OUTPUT_FORMATS)))
# Whatever was sent; these are the usual ones.
_SOURCES = _files(
    "image/png", "image/jpeg", "image/webp", "image/tiff", "image/bmp", "image/gif", "video/mp4", "video/quicktime",
    "video/webm", "video/x-matroska", "video/x-msvideo", "video/mpeg",
)  # fmt: skip

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/health"): Operation(
        "Service", "get_health", Health,
        {"idle": {
            "status": "healthy", "version": "1.0.0", "queue_enabled": True, "queue_length": 0, "queue_held": None,
            "timestamp": CREATED, "worker": "idle", "uptime_s": 3600.0, "inbox": "watching", "inbox_pending": 0,
            "kept_bytes": 0, "problems": [],
        }},
        about="Needs no token, nor a Host header over HTTP/1.0. `problems` says what is wrong while it still serves. "
        "Answers 503 with the same keys once the worker is dead or the service stops.",
    ),
    ("GET", "/metrics"): Operation("Service", "get_metrics", media={"text/plain": TEXT}),
    ("GET", "/openapi.json"): Operation("Service", "get_openapi", ApiDocument),
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
                "free_mb": 9120, "engine": "1.0.0", "models": {MODEL: ""}, "state": "busy", "why": None,
                "model": MODEL, "unit": 7, "task_id": ID, "shared": True,
            }],
            "problems": ["studio-3 does not answer any more"],
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
    ("GET", "/api/models"): Operation(
        "Models", "list_models", Models,
        {"one": {
            "models": [{
                "name": MODEL, "params": "3B", "precision": "FP8", "size": "3.2GB", "vram": "~8GB", "variant": "",
                "desc": {"en": "3B params FP8 - Balanced quality & speed"}, "available": True,
                "downloadable": False, "sha256_ok": True, "bytes": 3391544696, "fetched": True,
            }],
            "default": MODEL, "current": MODEL, "loading": False, "loading_model": None, "pulls": [PULL],
            "free_bytes": 512000000000, "suggested": None,
        }},
        query=ModelsQuery,
    ),
    ("POST", "/api/models/switch"): Operation(
        "Models", "switch_model", Switched,
        {"loaded": {"status": "loaded", "model": MODEL, "already_loaded": False}},
        {
            400: 'Say which model: {"model": "name"}.',
            404: NO_MODEL,
            409: 'A task is running; the model cannot be switched now. Send "wait": true to wait for it.',
        },
        body="SwitchRequest",
    ),
    ("POST", "/api/models/pull"): Operation(
        "Models", "pull_model", PullAnswer,
        {
            "pulling": {"status": "pulling", "model": PULL["model"], "pull": PULL},
            "installed": {"status": "installed", "model": MODEL, "pull": None},
        },
        {
            400: 'Say which model: {"model": "name"}.',
            404: "The catalogue has no model 'seedvr9'. Did you mean seedvr2_ema_3b_fp8_e4m3fn.safetensors?",
            507: "seedvr2_ema_7b_fp16.safetensors needs 16.5 GB, but the disk of the models has 9.1 GB free; make "
            "room, or choose a smaller model.",
        },
        body="PullRequest",
        about="Answers at once; GET /api/models/pull and the `model` events of GET /api/events tell how far it is. "
        "What a model needs comes along. A download that broke goes on where it was.",
    ),
    ("GET", "/api/models/pull"): Operation("Models", "list_pulls", Pulls, {"one": {"pulls": [PULL]}}),
    ("POST", "/api/models/pull/<model>/cancel"): Operation(
        "Models", "cancel_pull", PullCancelled, {"cancelled": {"status": "cancelled", "model": PULL["model"]}},
        {404: f"{PULL['model']} is not being fetched."},
    ),
    ("DELETE", "/api/models/<model>"): Operation(
        "Models", "remove_model", ModelRemoved,
        {"removed": {"status": "removed", "model": MODEL, "bytes": 3391544696}},
        {
            403: f"models/{MODEL} was not fetched by this program, so it is left alone unless you force it.",
            404: f"There is no {MODEL} to be removed.",
            409: f"{MODEL} is in memory; release it first (POST /api/gpu/offload).",
        },
        query=RemoveQuery,
    ),
    ("GET", "/api/queue/status"): Operation(
        "Queue", "get_queue_status", QueueStatus,
        {"busy": {
            "queue_length": 1, "in_system": 2,
            "processing": {"task_id": ID, "progress": 50, "model": "3b_fp8", "eta_s": 12.5},
            "running": [{"task_id": ID, "progress": 50, "model": "3b_fp8", "eta_s": 12.5}],
            "processing_task_id": ID, "processing_progress": 50,
            "pending_tasks": [
                {
                    "task_id": "77de0b12", "id": "77de0b12", "position": 2, "created_at": CREATED, "params": PARAMS,
                    "waiting_for": None,
                }
            ],
            "total_completed": 10, "total_failed": 0, "total_cancelled": 0, "avg_process_time": 25,
            "estimated_total_wait": 50, "paused": None, "held_by": None, "held_until": None, "hours": None,
            "inbox_path": "/srv/seedvr2/inbox",
        }},
    ),
    ("POST", "/api/queue/pause"): Operation(
        "Queue", "pause_queue", Held,
        {"paused": {
            "status": "paused", "reason": "the queue is paused; resume it to go on", "held_by": "request",
            "held_until": None,
        }},
        {400: '"now" is true or false.'},
        body="PauseRequest",
        about="No task is begun until it is resumed, also after a restart. A running video stops where its present "
        "segment is finished, a picture runs to its end; `now` stops both, and costs at most that segment or picture.",
    ),
    ("POST", "/api/queue/resume"): Operation(
        "Queue", "resume_queue", Held,
        {"running": {"status": "running", "reason": None, "held_by": None, "held_until": None}},
        about="Outside of the hours of `queue.hours` it stays `paused` until `held_until`.",
    ),
    ("GET", "/api/queue/position/<task_id>"): Operation(
        "Queue", "get_queue_position", Position,
        {"queued": {"task_id": ID, "status": "queued", "position": 3, "estimated_wait": 75}},
        {404: UNKNOWN_TASK},
    ),
    ("GET", "/api/queue/history"): Operation(
        "Queue", "get_queue_history", History,
        {"one": {"history": [{
            "id": ID, "status": "completed", "created_at": CREATED, "completed_at": ENDED, "process_time": 25.0,
            "original_filename": "video.mp4", "source": "api", "params": PARAMS, "media": TASK["media"], **RESULT,
            "available": True,
        }]}},
        {400: "limit takes a whole number, not 'many'."},
        query=HistoryQuery,
    ),
    ("POST", "/api/process"): Operation(
        "Tasks", "submit_task", Submitted, {"queued": SUBMITTED},
        {400: "resolution takes a whole number from 16 to 16384, not '12'.", 404: NO_MODEL},
        form="SubmitForm",
        about="An empty value means the default. Nothing is stored unless all is valid and the file can be decoded.",
    ),
    ("POST", "/api/plan"): Operation(
        "Tasks", "plan_task", Plan,
        {"film": {
            "task_id": None, "width": 1920, "height": 1080, "frames": 172800, "duration_s": 7200.0,
            "output_width": 3840, "output_height": 2160, "output_format": "mp4", "model": MODEL, "seconds": 259200.0,
            "measured": True, "wait_s": 0, "frames_together": 5, "memory_bytes": 21500000000,
            "weights_bytes": 3900000000, "memory_free_bytes": 46800000000, "result_bytes": 35800000000,
            "disk_bytes": 71600000000, "disk_free_bytes": 512000000000, "fits": True, "why": None,
            "reasons": ["Frames of 3840x2160 in tiles of 1024 pixels."],
        }},
        {
            400: "Send either the field 'file' with a picture or video, or a 'task_id', or 'width' and 'height' in "
            "pixels, with 'frames' for a video.",
            404: UNKNOWN_TASK, 409: "Nothing is known of what is in the source of this task.",
        },
        form="PlanForm",
        about="Answers in about a second, also while a task runs: no model is loaded, and no frame of a video decoded "
        "but the first. Send a file, which is not kept, or name a task, or say how large the source is; the parameters "
        "are those of POST /api/process, and all of it may as well be JSON. Memory counts as free that the running "
        "task will have given back.",
    ),
    ("POST", "/api/preview"): Operation(
        "Tasks", "make_preview", Preview,
        {"film": {
            "id": PREVIEW_ID, "task_id": ID, "width": 480, "height": 270, "output_width": 1920, "output_height": 1080,
            "crop": {"x": 210, "y": 96, "width": 160, "height": 90}, "model": MODEL, "seconds": 2.1,
            "frames_together": 5, "warnings": [],
            "images": [
                {"strength": 0.0, "at": 60.02, "url": f"/api/preview/{PREVIEW_ID}/60.020s-plain.png"},
                {"strength": 1.0, "at": 60.02, "url": f"/api/preview/{PREVIEW_ID}/60.020s-strength-1.png"},
            ],
            "sheet": f"/api/preview/{PREVIEW_ID}/sheet.png", "kept_s": 900,
        }},
        {
            400: "strengths takes up to 8 numbers from 0 to 1, with commas between them, not '2'.", 404: UNKNOWN_TASK,
            409: "The source of this task is gone. Send it again.",
        },
        # Two kinds of body in one operation make clients that do not compile.
        form="PreviewForm",
        about="Answers in seconds, also while a task runs, which makes room and goes on: some frames of one shot, or a "
        "part of them, are restored once and mixed with the plain resize at each strength. Send a file, which is not "
        "kept, or name a task, whose parameters hold where no others are given; that may as well be JSON with the same "
        "fields.",
    ),
    ("GET", "/api/preview/<preview_id>/<name>"): Operation(
        "Tasks", "get_preview_image", errors={
            404: "This preview is not kept any more; ask for it again.", 416: "The range lies outside of the file.",
        },
        media=_files("image/png"), in_parts=True,
    ),
    ("GET", "/api/status/<task_id>"): Operation(
        "Tasks", "get_task", Task, {"processing": TASK, "completed": DONE}, {404: UNKNOWN_TASK}
    ),
    ("POST", "/api/tasks/<task_id>/cancel"): Operation(
        "Tasks", "cancel_task", Cancelled, {"waiting": {"status": "cancelled", "task_id": ID}},
        {404: UNKNOWN_TASK, 409: f"Task {ID} is completed; only a waiting or running one can be cancelled."},
        about="`cancelling`: it runs and will stop within seconds.",
    ),
    ("POST", "/api/tasks/<task_id>/retry"): Operation(
        "Tasks", "retry_task", Retried, {"queued": {**SUBMITTED, "task_id": "77de0b12", "retry_of": ID}},
        {404: UNKNOWN_TASK, 409: f"Task {ID} is completed; only a failed or cancelled one can be retried."},
    ),
    ("DELETE", "/api/tasks/<task_id>"): Operation(
        "Tasks", "delete_task", Deleted, {"deleted": {"status": "deleted", "task_id": ID}},
        {404: UNKNOWN_TASK, 409: f"Task {ID} is processing. Cancel it first."},
    ),
    ("GET", "/api/download/<task_id>"): Operation(
        "Tasks", "download_result",
        errors={
            400: f"Task {ID} is processing; only a completed one has a result.",
            404: UNKNOWN_TASK,
            416: "The range lies outside of the file.",
        },
        query=DownloadQuery,
        media=_RESULTS, in_parts=True,
        about="Understands `Range` (206), `If-Range` and `If-None-Match` (304).",
    ),
    ("GET", "/api/source/<task_id>"): Operation(
        "Tasks", "download_source",
        errors={404: "The source of this task is not there any more.", 416: "The range lies outside of the file."},
        media=_SOURCES, in_parts=True,
        about="What the task was made from, for a comparison; gone once the server has cleared it away.",
    ),
    ("GET", "/api/thumbnail/<task_id>"): Operation(
        "Tasks", "get_thumbnail",
        errors={404: "There is no thumbnail of this task.", 503: "Too many thumbnails are being made."},
        media=_files("image/webp"),
        about="At most 384 pixels wide and high.",
    ),
    ("GET", "/api/frame/<task_id>"): Operation(
        "Tasks", "get_frame",
        errors={
            400: "of takes one of result, source, not 'both'.",
            404: UNKNOWN_TASK,
            503: "Too many frames are being drawn.",
        },
        query=FrameQuery,
        media=_files("image/png"),
        about="In the size that it is displayed in, up to 33 megapixels, with 8 bits: for programs that "
        "cannot show the file itself, such as TIFF, ProRes or FFV1.",
    ),
    ("GET", "/api/system"): Operation(
        "Service", "get_system", System,
        {"one": {
            "version": "1.0.0", "python": "3.12.3", "system": "Linux 6.8.0 x86_64", "uptime_s": 3600.0,
            "config_file": "/etc/seedvr2d/config.toml", "libraries": [{"name": "torch", "version": "2.13.0"}],
            "folders": [{
                "name": "outputs", "path": "/srv/seedvr2/outputs", "free_bytes": 512000000000,
                "total_bytes": 1000000000000, "problem": None,
            }],
            "problems": [],
        }},
    ),
    ("GET", "/api/log"): Operation(
        "Service", "get_log", Log,
        {"one": {"lines": [
            {"time": CREATED, "level": "info", "logger": "daemon.service", "message": "listening on 127.0.0.1:8200"}
        ]}},
        {400: "level takes one of debug, info, warning, error, not 'loud'."},
        query=LogQuery,
        about="Of this process, since its start; without secrets, and folders by their names. The engine's own lines "
        "and what errors bring along are in the journal.",
    ),
    ("GET", "/api/presets"): Operation(
        "Tasks", "list_presets", Presets, {"one": {"presets": [PRESET]}},
        about="Those of the configuration, and those that were saved. A form, a sidecar, a folder of the inbox and an "
        "assistant can name one.",
    ),
    ("PUT", "/api/presets/<preset>"): Operation(
        "Tasks", "save_preset", PresetChanged, {"saved": {"status": "saved", "presets": [PRESET]}},
        {
            400: "resolution takes a whole number from 16 to 16384, not '12'.",
            409: "The preset 'film' is in the configuration file; change it there.",
        },
        body="PresetRequest",
    ),
    ("DELETE", "/api/presets/<preset>"): Operation(
        "Tasks", "delete_preset", PresetChanged, {"deleted": {"status": "deleted", "presets": []}},
        {
            404: "There is no preset 'flim'. Did you mean 'film'?",
            409: "The preset 'film' is in the configuration file; change it there.",
        },
    ),
    ("GET", "/api/tasks/download.zip"): Operation(
        "Tasks", "download_results",
        errors={400: "Say which: ids=3f9a1c07,77de0b12.", 404: UNKNOWN_TASK},
        query=ManyQuery,
        media={"application/zip": BINARY, "application/octet-stream": BINARY}, kept=False,
        about="The files are stored, not packed; those of the same name are told apart. Made while it is sent.",
    ),
    ("POST", "/api/tasks/<task_id>/priority"): Operation(
        "Tasks", "set_task_priority", Task, {"waiting": WAITING},
        {
            400: "priority takes one of low, normal, high, not 'urgent'.",
            404: UNKNOWN_TASK,
            409: f"Task {ID} is completed; only a waiting one can change its priority.",
        },
        body="PriorityRequest",
    ),
    ("POST", "/api/tasks/<task_id>/again"): Operation(
        "Tasks", "run_task_again", Retried, {"queued": {**SUBMITTED, "task_id": "77de0b12", "retry_of": ID}},
        {
            400: "resolution takes a whole number from 16 to 16384, not '12'.",
            404: UNKNOWN_TASK,
            409: "The source of this task is gone. Send it again.",
        },
        body="AgainRequest",
        about="A new task for the same source, whatever became of the old one.",
    ),
    ("GET", "/api/events"): Operation(
        "Events", "stream_events", errors={503: "Too many event streams are open."}, media=_STREAM,
        about=_EVENTS + _DOWNLOADS,
    ),
    ("GET", "/api/tasks/<task_id>/events"): Operation(
        "Events", "stream_task_events",
        errors={404: UNKNOWN_TASK, 503: "Too many event streams are open."},
        media=_STREAM,
        about=f"{_EVENTS} Begins with the present state and ends with the task.",
    ),
}  # fmt: skip
