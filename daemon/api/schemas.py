"""The shape of every answer, as JSON Schema, made from the tables that the service itself works with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.api.form import FILE_FIELD
from daemon.jobs.drafts import ORIGINS
from daemon.jobs.job import State
from daemon.jobs.parameters import JOB_PARAMETERS, MODEL
from daemon.work.hold import HeldBy
from daemon.work.worker import Activity
from seedvr2.options import Parameter
from seedvr2.preview.wish import MOST_FRAMES, MOST_PATIENCE_S, MOST_STRENGTHS, PATIENCE_S, STRENGTHS

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number", "minimum": 0}
YES_NO: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time", "description": "ISO 8601, UTC"}
TASK_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{8}$", "examples": ["3f9a1c07"]}
STATE: Schema = {"type": "string", "enum": [state.value for state in State]}
PERCENT: Schema = {"type": "integer", "minimum": 0, "maximum": 100}
SIZE: Schema = {"type": "string", "pattern": r"^\d+x\d+$", "examples": ["1920x1080"]}
KINDS = {int: "integer", float: "number", bool: "boolean", str: "string"}


def ref(name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def parameter(row: Parameter, default: Any = None) -> Schema:
    """What one parameter takes. `default` replaces that of the table."""
    value = row.default if default is None else default
    schema: Schema = {"type": KINDS[row.kind], "default": value, "description": f"{row.meaning}."}
    limits = {"minimum": row.minimum, "maximum": row.maximum}
    schema |= {key: row.kind(limit) for key, limit in limits.items() if limit is not None}
    if row.off is not None:
        schema["anyOf"] = [{"const": row.kind(row.off)}, {"minimum": schema.pop("minimum")}]
    return schema | {"enum": list(row.choices)} if row.choices else schema


def submit_form(defaults: Mapping[str, Any]) -> Schema:
    """The form of `POST /api/process`; `defaults` are those that this server is configured with."""
    file = {"type": "string", "contentMediaType": "application/octet-stream", "description": "The picture or video."}
    fields = {row.name: parameter(row, defaults.get(row.name)) for row in JOB_PARAMETERS}
    return {
        "type": "object",
        "required": [FILE_FIELD],
        "properties": {FILE_FIELD: file, **fields},
        "additionalProperties": False,
    }


def preview_form() -> Schema:
    """The form of `POST /api/preview`, which may as well be JSON where it names a task."""
    file = {"type": "string", "contentMediaType": "application/octet-stream", "description": "The picture or video."}
    return {"type": "object", "properties": {FILE_FIELD: file, **_wish_fields()}, "additionalProperties": False}


def preview_body() -> Schema:
    """The same as JSON."""
    return {
        "type": "object",
        "required": ["task_id"],
        "properties": _wish_fields(),
        "examples": [{"task_id": "3f9a1c07"}],
    }


def _wish_fields() -> dict[str, Schema]:
    asked: dict[str, Schema] = {
        row.name: {key: value for key, value in parameter(row).items() if key != "default"} for row in JOB_PARAMETERS
    }
    shown = ", ".join(f"{strength:g}" for strength in STRENGTHS)
    return {
        "task_id": {**TEXT, "description": "A task whose source is to be shown, in place of a file."},
        "at": {**NUMBER, "description": "Seconds from the beginning of a video; else a place in its middle."},
        "crop": {
            "description": "x,y,width,height in pixels of the source; auto (default): the most detailed part, if the "
            "whole would take too long; whole: all of it, if that is not so.",
        },
        "strengths": {"description": f"Up to {MOST_STRENGTHS}, beside the plain resize; {shown} where none are named."},
        "frames": {"type": "integer", "minimum": 1, "maximum": MOST_FRAMES, "description": "Neighbours to show."},
        "patience": {
            "type": "number", "minimum": 0.5, "maximum": MOST_PATIENCE_S,
            "description": f"Seconds that the restoration may take about; {PATIENCE_S:g} where it is not said.",
        },
        **asked,
    }  # fmt: skip


def _object(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, about: str = "") -> Schema:
    schema: Schema = {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}
    return schema | {"description": about} if about else schema


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else {"anyOf": [schema, {"type": "null"}]}


def _parameters() -> Schema:
    asked: dict[str, Schema] = {
        row.name: {key: value for key, value in parameter(row).items() if key != "default"} for row in JOB_PARAMETERS
    }
    asked[MODEL.name] = {"type": ["string", "null"], "description": "null: the server's default."}
    return _object(asked, about="What a task was asked for.")


_RESULT: dict[str, Schema] = {
    "output_path": TEXT,
    "output_filename": TEXT,
    "output_resolution": SIZE,
    "model": TEXT,
    "frames_done": WHOLE,
    "frames_total": WHOLE,
    "warnings": {"type": "array", "items": TEXT},
}
_TASK: dict[str, Schema] = {
    "id": TASK_ID,
    "status": STATE,
    "progress": {**PERCENT, "description": "Never goes back."},
    "queue_position": {**WHOLE, "description": "1 is the running task; 0 once it has ended."},
    "created_at": TIME,
    "params": ref("Parameters"),
    "source": {"type": "string", "enum": list(ORIGINS)},
    "original_filename": TEXT,
    "media": _object(
        {"kind": {"type": "string", "enum": ["picture", "video"]}, "width": WHOLE, "height": WHOLE, "frames": WHOLE}
    ),
    "stage": {"type": ["string", "null"], "description": "What is being done, while it runs."},
    "frames_done": WHOLE,
    "frames_total": _or_null(WHOLE),
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
    "status": {"const": "queued"},
    "task_id": TASK_ID,
    "queue_position": {"type": "integer", "minimum": 1},
    "estimated_wait_seconds": WHOLE,
}

_HELD: dict[str, Schema] = {
    "held_by": {
        "enum": [*(each.value for each in HeldBy), None],
        "description": "Whether it was paused on request, or is outside of its hours.",
    },
    "held_until": {**_or_null(TIME), "description": "When it goes on by itself, if it does."},
}

COMPONENTS: dict[str, Schema] = {
    "Error": _object(
        {"error": {**TEXT, "description": "One sentence that says what to do."}},
        {"detail": {"description": "More for programs, such as the field that is wrong."}},
    ),
    "Health": _object(
        {
            "status": {"type": "string", "enum": ["healthy", "unhealthy"]},
            "version": TEXT,
            "queue_enabled": YES_NO,
            "queue_length": {**WHOLE, "description": "Tasks that wait."},
            "queue_held": {**_or_null(TEXT), "description": "Why no task is started though nothing is wrong."},
            "timestamp": TIME,
            "worker": {"type": "string", "enum": [activity.value for activity in Activity]},
            "uptime_s": NUMBER,
            "inbox": {"type": "string", "enum": ["watching", "stopped"]},
            "inbox_pending": {**WHOLE, "description": "Files that are not complete yet."},
            "kept_bytes": {**WHOLE, "description": "What is done of failed videos and kept for a retry, on the disk."},
            "problems": {"type": "array", "items": TEXT, "description": "What is wrong now, a sentence each."},
        }
    ),
    "GpuStatus": _object(
        {
            "cuda_available": YES_NO,
            "gpu_name": _or_null(TEXT),
            "vram_used_mb": WHOLE,
            "vram_total_mb": WHOLE,
            "model_loaded": YES_NO,
            "current_model": _or_null(TEXT),
            "loading": YES_NO,
            "loading_model": _or_null(TEXT),
            "processing": YES_NO,
            "current_task": _or_null(TASK_ID),
            "device": TEXT,
            "model_idle_s": _or_null(NUMBER),
            "idle_timeout_s": NUMBER,
            "ram_used_mb": WHOLE,
            "utilization": _or_null(NUMBER),
            "temperature_c": _or_null({"type": "number"}),
            "power_w": _or_null(NUMBER),
            "gpu_uuid": _or_null(TEXT),
            "compute_capability": _or_null(TEXT),
            "driver_version": _or_null(TEXT),
            "cuda_version": _or_null(TEXT),
            "torch_version": _or_null(TEXT),
            "no_gpu_reason": {**_or_null(TEXT), "description": "Why the processor computes, in words."},
        }
    ),
    "Offloaded": _object(
        {"status": {"const": "success"}, "message": {"const": "GPU memory released"}},
        {"deferred": {"const": True, "description": "A task runs; the memory is released when it has ended."}},
    ),
    "Model": _object(
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
            "bytes": {**_or_null(WHOLE), "description": "null where none is published."},
        },
        {
            "own": {**YES_NO, "description": "true: a file that is not in the catalogue."},
            "error": {**TEXT, "description": "Why the file cannot be used."},
        },
    ),
    "Models": _object(
        {
            "models": {"type": "array", "items": ref("Model")},
            "default": TEXT,
            "current": _or_null(TEXT),
            "loading": YES_NO,
            "loading_model": _or_null(TEXT),
            "pulls": {"type": "array", "items": ref("Pull")},
            "free_bytes": {**_or_null(WHOLE), "description": "Free on the disk that models are fetched to."},
        }
    ),
    "Pull": _object(
        {
            "model": TEXT,
            "state": {
                "type": "string",
                "enum": ["waiting", "fetching", "verifying", "done", "failed", "cancelled"],
            },
            "file": {**_or_null(TEXT), "description": "The one of its files that is on its way."},
            "done_bytes": WHOLE,
            "total_bytes": _or_null(WHOLE),
            "percent": {**PERCENT, "description": "Of this file."},
            "error": _or_null(TEXT),
        }
    ),
    "Pulls": _object({"pulls": {"type": "array", "items": ref("Pull")}}),
    "PullAnswer": _object(
        {
            "status": {"type": "string", "enum": ["pulling", "installed"]},
            "model": {**TEXT, "description": "The file that the name means."},
            "pull": _or_null(ref("Pull")),
        }
    ),
    "PullCancelled": _object({"status": {"const": "cancelled"}, "model": TEXT}),
    "ModelRemoved": _object({"status": {"const": "removed"}, "model": TEXT, "bytes": WHOLE}),
    "Switched": _object({"status": {"const": "loaded"}, "model": TEXT, "already_loaded": YES_NO}),
    "QueueStatus": _object(
        {
            "queue_length": {**WHOLE, "description": "Tasks that wait."},
            "in_system": {**WHOLE, "description": "Tasks that wait or run."},
            "processing": _or_null(ref("Processing")),
            "processing_task_id": _or_null(TASK_ID),
            "processing_progress": PERCENT,
            "pending_tasks": {"type": "array", "items": ref("Pending")},
            "total_completed": WHOLE,
            "total_failed": WHOLE,
            "total_cancelled": WHOLE,
            "avg_process_time": {**NUMBER, "description": "Seconds, over the last tasks."},
            "estimated_total_wait": {**NUMBER, "description": "Seconds until all is done."},
            "paused": {"type": ["string", "null"], "description": "Why no task is started, if so."},
            **_HELD,
        }
    ),
    "Held": _object({"status": {"type": "string", "enum": ["paused", "running"]}, "reason": _or_null(TEXT), **_HELD}),
    "Processing": _object({"task_id": TASK_ID, "progress": PERCENT, "model": TEXT}),
    "Pending": _object(
        {"task_id": TASK_ID, "id": TASK_ID, "position": WHOLE, "created_at": TIME, "params": ref("Parameters")}
    ),
    "Position": _object({"task_id": TASK_ID, "status": STATE, "position": WHOLE, "estimated_wait": WHOLE}),
    "History": _object({"history": {"type": "array", "items": ref("Finished")}}),
    "Finished": _object(
        {
            "id": TASK_ID,
            "status": STATE,
            "created_at": TIME,
            "completed_at": TIME,
            "process_time": _or_null(NUMBER),
            "original_filename": TEXT,
            "source": _TASK["source"],
            "params": ref("Parameters"),
        },
        {**_RESULT, "available": {**YES_NO, "description": "Whether the result is still there."}, "error": TEXT},
    ),
    "Parameters": _parameters(),
    "Submitted": _object(_SUBMITTED),
    "Retried": _object({**_SUBMITTED, "retry_of": TASK_ID}),
    "Task": _object(_TASK, {**_TASK_LATER, **_RESULT, "frames_total": _TASK["frames_total"]}),
    "Preview": _object(
        {
            "id": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
            "task_id": _or_null(TASK_ID),
            "width": {**WHOLE, "description": "Of each image, in pixels of the result."},
            "height": WHOLE,
            "output_width": {**WHOLE, "description": "Of the result of the task."},
            "output_height": WHOLE,
            "crop": {
                **_or_null(_object({"x": WHOLE, "y": WHOLE, "width": WHOLE, "height": WHOLE})),
                "description": "The part that is shown, in pixels of the source; null for all of it.",
            },
            "model": TEXT,
            "seconds": {**NUMBER, "description": "That the restoration took."},
            "frames_together": {**WHOLE, "description": "How many frames were restored together."},
            "warnings": {"type": "array", "items": TEXT},
            "images": {
                "type": "array",
                "items": _object(
                    {
                        "strength": {
                            "type": "number",
                            "minimum": 0,
                            "maximum": 1,
                            "description": "0: the plain resize.",
                        },
                        "at": {"type": ["number", "null"], "description": "Seconds from the beginning of a video."},
                        "url": {**TEXT, "description": "A PNG, which loses nothing."},
                    }
                ),
            },
            "sheet": {**TEXT, "description": "A PNG of all images side by side."},
            "kept_s": {**WHOLE, "description": "Seconds until the images go."},
        }
    ),
    "Cancelled": _object({"status": {"type": "string", "enum": ["cancelled", "cancelling"]}, "task_id": TASK_ID}),
    "Deleted": _object({"status": {"const": "deleted"}, "task_id": TASK_ID}),
}
