"""The shape of every answer, as JSON Schema, made from the tables that the service itself works with."""

from __future__ import annotations

from daemon.api.shapes import (
    NUMBER,
    PERCENT,
    SIZE,
    STATE,
    TASK_ID,
    TEXT,
    TIME,
    WHOLE,
    YES_NO,
    Schema,
    bare_parameters,
    fields,
    list_of,
    nullable_model,
    only,
    or_null,
    ref,
)
from daemon.jobs.drafts import ORIGINS
from daemon.work.hold import HeldBy
from daemon.work.worker import Activity

_RESULT: dict[str, Schema] = {
    "output_path": TEXT,
    "output_filename": TEXT,
    "output_resolution": SIZE,
    "model": TEXT,
    "frames_done": WHOLE,
    "frames_total": WHOLE,
    "warnings": list_of(TEXT),
}
_TASK: dict[str, Schema] = {
    "id": TASK_ID,
    "status": ref("TaskState"),
    "progress": {**PERCENT, "description": "Never goes back."},
    "queue_position": {**WHOLE, "description": "1 is the running task; 0 once it has ended."},
    "created_at": TIME,
    "params": ref("Parameters"),
    "source": {"type": "string", "enum": list(ORIGINS)},
    "original_filename": TEXT,
    "media": ref("Media"),
    "stage": {"type": ["string", "null"], "description": "What is being done, while it runs."},
    "frames_done": WHOLE,
    "frames_total": or_null(WHOLE),
    "eta_s": {"type": ["number", "null"], "description": "Seconds left, estimated."},
}
_TASK_LATER: dict[str, Schema] = {
    "started_at": TIME,
    "completed_at": TIME,
    "process_time": {**NUMBER, "description": "Seconds of work, without those in which others went first."},
    "error": {**TEXT, "description": "Why it failed or was cancelled."},
    "waiting_for": {**TEXT, "description": "Why it does not begin though it is its turn, or what it lets go first."},
    "segments_done": {**WHOLE, "description": "Of a video: it goes on after these if it is interrupted."},
    "segments_total": WHOLE,
    "duplicate_of": TASK_ID,
    "retry_of": TASK_ID,
}
_SUBMITTED: dict[str, Schema] = {
    "status": only("queued"),
    "task_id": TASK_ID,
    "queue_position": {"type": "integer", "minimum": 1},
    "estimated_wait_seconds": WHOLE,
}

_HELD: dict[str, Schema] = {
    "held_by": {
        **or_null({"type": "string", "enum": [each.value for each in HeldBy]}),
        "description": "Whether it was paused on request, or is outside of its hours.",
    },
    "held_until": {**or_null(TIME), "description": "When it goes on by itself, if it does."},
}

COMPONENTS: dict[str, Schema] = {
    "Error": fields(
        {"error": {**TEXT, "description": "One sentence that says what to do."}},
        {"detail": ref("ErrorDetail")},
    ),
    "ErrorDetail": fields({"field": {**TEXT, "description": "Which one is wrong."}}, about="More for programs."),
    "ApiDocument": {"type": "object", "description": "OpenAPI 3.1."},
    "TaskState": STATE,
    "Media": fields(
        {"kind": {"type": "string", "enum": ["picture", "video"]}, "width": WHOLE, "height": WHOLE, "frames": WHOLE},
        {"duration_s": {**or_null(NUMBER), "description": "Of a video, where it is known."}},
        about="What was sent.",
    ),
    "Health": fields(
        {
            "status": {"type": "string", "enum": ["healthy", "unhealthy"]},
            "version": TEXT,
            "queue_enabled": YES_NO,
            "queue_length": {**WHOLE, "description": "Tasks that wait."},
            "queue_held": {**or_null(TEXT), "description": "Why no task is started though nothing is wrong."},
            "timestamp": TIME,
            "worker": {"type": "string", "enum": [activity.value for activity in Activity]},
            "uptime_s": NUMBER,
            "inbox": {"type": "string", "enum": ["watching", "stopped"]},
            "inbox_pending": {**WHOLE, "description": "Files that are not complete yet."},
            "kept_bytes": {**WHOLE, "description": "What is done of failed videos and kept for a retry, on the disk."},
            "problems": {**list_of(TEXT), "description": "What is wrong now, a sentence each."},
        }
    ),
    "GpuStatus": fields(
        {
            "cuda_available": YES_NO,
            "gpu_name": or_null(TEXT),
            "vram_used_mb": WHOLE,
            "vram_total_mb": WHOLE,
            "model_loaded": YES_NO,
            "current_model": or_null(TEXT),
            "loading": YES_NO,
            "loading_model": or_null(TEXT),
            "processing": YES_NO,
            "current_task": or_null(TASK_ID),
            "device": TEXT,
            "model_idle_s": or_null(NUMBER),
            "idle_timeout_s": NUMBER,
            "ram_used_mb": WHOLE,
            "utilization": or_null(NUMBER),
            "temperature_c": or_null({"type": "number"}),
            "power_w": or_null(NUMBER),
            "gpu_uuid": or_null(TEXT),
            "compute_capability": or_null(TEXT),
            "driver_version": or_null(TEXT),
            "cuda_version": or_null(TEXT),
            "torch_version": or_null(TEXT),
            "no_gpu_reason": {**or_null(TEXT), "description": "Why the processor computes, in words."},
        }
    ),
    "Offloaded": fields(
        {"status": only("success"), "message": only("GPU memory released")},
        {"deferred": {**YES_NO, "description": "true: a task runs; the memory is released when it has ended."}},
    ),
    "Model": fields(
        {
            "name": TEXT,
            "params": {**TEXT, "examples": ["3B"]},
            "precision": {**TEXT, "examples": ["FP8"]},
            "size": {**TEXT, "examples": ["3.2GB"]},
            "vram": {**TEXT, "examples": ["~8GB"]},
            "variant": {**TEXT, "examples": ["", "Sharp"]},
            "desc": {"type": "object", "additionalProperties": TEXT, "description": "By language."},
            "available": {**YES_NO, "description": "Whether it is on this machine."},
            "downloadable": YES_NO,
            "sha256_ok": {"type": ["boolean", "null"], "description": "null until it was checked."},
            "bytes": {**or_null(WHOLE), "description": "null where none is published."},
        },
        {
            "own": {**YES_NO, "description": "true: a file that is not in the catalogue."},
            "error": {**TEXT, "description": "Why the file cannot be used."},
        },
    ),
    "Models": fields(
        {
            "models": list_of(ref("Model")),
            "default": TEXT,
            "current": or_null(TEXT),
            "loading": YES_NO,
            "loading_model": or_null(TEXT),
            "pulls": list_of(ref("Pull")),
            "free_bytes": {**or_null(WHOLE), "description": "Free on the disk that models are fetched to."},
        }
    ),
    "Pull": fields(
        {
            "model": TEXT,
            "state": {
                "type": "string",
                "enum": ["waiting", "fetching", "verifying", "done", "failed", "cancelled"],
            },
            "file": {**or_null(TEXT), "description": "The one of its files that is on its way."},
            "done_bytes": WHOLE,
            "total_bytes": or_null(WHOLE),
            "percent": {**PERCENT, "description": "Of this file."},
            "error": or_null(TEXT),
        }
    ),
    "Pulls": fields({"pulls": list_of(ref("Pull"))}),
    "PullAnswer": fields(
        {
            "status": {"type": "string", "enum": ["pulling", "installed"]},
            "model": {**TEXT, "description": "The file that the name means."},
            "pull": or_null(ref("Pull")),
        }
    ),
    "PullCancelled": fields({"status": only("cancelled"), "model": TEXT}),
    "ModelRemoved": fields({"status": only("removed"), "model": TEXT, "bytes": WHOLE}),
    "Switched": fields({"status": only("loaded"), "model": TEXT, "already_loaded": YES_NO}),
    "QueueStatus": fields(
        {
            "queue_length": {**WHOLE, "description": "Tasks that wait."},
            "in_system": {**WHOLE, "description": "Tasks that wait or run."},
            "processing": or_null(ref("Processing")),
            "processing_task_id": or_null(TASK_ID),
            "processing_progress": PERCENT,
            "pending_tasks": list_of(ref("Pending")),
            "total_completed": WHOLE,
            "total_failed": WHOLE,
            "total_cancelled": WHOLE,
            "avg_process_time": {**NUMBER, "description": "Seconds, over the last tasks."},
            "estimated_total_wait": {**NUMBER, "description": "Seconds until all is done."},
            "paused": {"type": ["string", "null"], "description": "Why no task is started, if so."},
            **_HELD,
        }
    ),
    "Held": fields({"status": {"type": "string", "enum": ["paused", "running"]}, "reason": or_null(TEXT), **_HELD}),
    "Processing": fields({"task_id": TASK_ID, "progress": PERCENT, "model": TEXT}),
    "Pending": fields(
        {"task_id": TASK_ID, "id": TASK_ID, "position": WHOLE, "created_at": TIME, "params": ref("Parameters")}
    ),
    "Position": fields({"task_id": TASK_ID, "status": ref("TaskState"), "position": WHOLE, "estimated_wait": WHOLE}),
    "History": fields({"history": list_of(ref("Finished"))}),
    "Finished": fields(
        {
            "id": TASK_ID,
            "status": ref("TaskState"),
            "created_at": TIME,
            "completed_at": TIME,
            "process_time": or_null(NUMBER),
            "original_filename": TEXT,
            "source": _TASK["source"],
            "params": ref("Parameters"),
        },
        {**_RESULT, "available": {**YES_NO, "description": "Whether the result is still there."}, "error": TEXT},
    ),
    "Parameters": fields(nullable_model(bare_parameters()), about="What a task was asked for."),
    "System": fields(
        {
            "version": TEXT,
            "python": TEXT,
            "system": TEXT,
            "uptime_s": NUMBER,
            "config_file": or_null(TEXT),
            "libraries": list_of(ref("Library")),
            "folders": list_of(ref("Folder")),
            "problems": {**list_of(TEXT), "description": "What is wrong now, a sentence each."},
        }
    ),
    "Library": fields({"name": TEXT, "version": TEXT}),
    "Folder": fields(
        {
            "name": TEXT,
            "path": TEXT,
            "free_bytes": {**or_null(WHOLE), "description": "Free on its disk."},
            "total_bytes": or_null(WHOLE),
            "problem": {**or_null(TEXT), "description": "Why its disk cannot be asked."},
        }
    ),
    "Log": fields({"lines": list_of(ref("LogLine"))}),
    "LogLine": fields(
        {
            "time": TIME,
            "level": {"type": "string", "enum": ["debug", "info", "warning", "error", "critical"]},
            "logger": TEXT,
            "message": TEXT,
        }
    ),
    "Preset": fields(
        {
            "name": TEXT,
            "parameters": ref("PresetParameters"),
            "saved": {**YES_NO, "description": "Whether it can be changed here; else the configuration has it."},
        }
    ),
    "PresetParameters": {"type": "object", "properties": nullable_model(bare_parameters())},
    "Presets": fields({"presets": list_of(ref("Preset"))}),
    "PresetChanged": fields(
        {"status": {"type": "string", "enum": ["saved", "deleted"]}, "presets": list_of(ref("Preset"))}
    ),
    "Submitted": fields(_SUBMITTED),
    "Retried": fields({**_SUBMITTED, "retry_of": TASK_ID}),
    "Task": fields(_TASK, {**_TASK_LATER, **_RESULT, "frames_total": _TASK["frames_total"]}),
    "Preview": fields(
        {
            "id": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
            "task_id": or_null(TASK_ID),
            "width": {**WHOLE, "description": "Of each image, in pixels of the result."},
            "height": WHOLE,
            "output_width": {**WHOLE, "description": "Of the result of the task."},
            "output_height": WHOLE,
            "crop": {
                **or_null(ref("Crop")),
                "description": "The part that is shown, in pixels of the source; null for all of it.",
            },
            "model": TEXT,
            "seconds": {**NUMBER, "description": "That the restoration took."},
            "frames_together": {**WHOLE, "description": "How many frames were restored together."},
            "warnings": list_of(TEXT),
            "images": list_of(ref("PreviewImage")),
            "sheet": {**TEXT, "description": "A PNG of all images side by side."},
            "kept_s": {**WHOLE, "description": "Seconds until the images go."},
        }
    ),
    "Crop": fields({"x": WHOLE, "y": WHOLE, "width": WHOLE, "height": WHOLE}),
    "PreviewImage": fields(
        {
            "strength": {"type": "number", "minimum": 0, "maximum": 1, "description": "0: the plain resize."},
            "at": {"type": ["number", "null"], "description": "Seconds from the beginning of a video."},
            "url": {**TEXT, "description": "A PNG, which loses nothing."},
        }
    ),
    "Cancelled": fields({"status": {"type": "string", "enum": ["cancelled", "cancelling"]}, "task_id": TASK_ID}),
    "Deleted": fields({"status": only("deleted"), "task_id": TASK_ID}),
}
