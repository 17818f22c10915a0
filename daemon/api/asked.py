"""The shape of every body that is sent to the API, as JSON Schema, made from the tables that validate it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.api.form import FILE_FIELD
from daemon.api.shapes import (
    BINARY,
    NUMBER,
    TASK_ID,
    TEXT,
    YES_NO,
    Schema,
    bare_parameters,
    fields,
    nullable_model,
    parameters,
)
from daemon.jobs.parameters import PRIORITIES
from daemon.store.presets import FIELD
from seedvr2.preview.wish import MOST_FRAMES, MOST_PATIENCE_S, MOST_STRENGTHS, PATIENCE_S, STRENGTHS

PRESET: Schema = {**TEXT, "description": "Name of a preset; what is said beside it goes before what is in it."}
FILE: Schema = {**BINARY, "description": "The picture or video."}
CROP = r"^(auto|whole|[0-9]+,[0-9]+,[1-9][0-9]*,[1-9][0-9]*)$"


def request_components(defaults: Mapping[str, Any]) -> dict[str, Schema]:
    """The bodies by name; `defaults` are those that this server is configured with."""
    return {
        "SubmitForm": _exactly(fields({FILE_FIELD: FILE}, {FIELD: PRESET, **parameters(defaults)})),
        "PreviewForm": _exactly(_optional({FILE_FIELD: FILE, **_wishes(), FIELD: PRESET, **bare_parameters()})),
        "AgainRequest": _exactly(
            _optional({FIELD: PRESET, **nullable_model(parameters(defaults))})
            | {
                "description": "Parameters as for POST /api/process; one that is left out takes the server's default.",
                "examples": [{"resolution": 2160, "seed": 7}],
            }
        ),
        "PresetRequest": _exactly(
            _optional(nullable_model(bare_parameters()))
            | {"description": "Parameters as for POST /api/process.", "examples": [{"resolution": 2160}]}
        ),
        **_OTHERS,
    }


def _optional(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties)}


def _exactly(schema: Schema) -> Schema:
    return schema | {"additionalProperties": False}


def _wishes() -> dict[str, Schema]:
    shown = ", ".join(f"{strength:g}" for strength in STRENGTHS)
    return {
        "task_id": {**TASK_ID, "description": "A task whose source is to be shown, in place of a file."},
        "at": {**NUMBER, "description": "Seconds from the beginning of a video; else a place in its middle."},
        "crop": {
            **TEXT, "pattern": CROP, "description": "x,y,width,height in pixels of the source; auto (default): the "
            "most detailed part, if the whole would take too long; whole: all of it, if that is not so.",
        },
        "strengths": {
            **TEXT, "description": f"Up to {MOST_STRENGTHS} with commas between them, beside the plain resize; {shown} "
            "where none are named.",
        },
        "frames": {"type": "integer", "minimum": 1, "maximum": MOST_FRAMES, "description": "Neighbours to show."},
        "patience": {
            "type": "number", "minimum": 0.5, "maximum": MOST_PATIENCE_S,
            "description": f"Seconds that the restoration may take about; {PATIENCE_S:g} where it is not said.",
        },
    }  # fmt: skip


_OTHERS: dict[str, Schema] = {
    "SwitchRequest": fields(
        {"model": {**TEXT, "minLength": 1, "description": "Model file name."}},
        {"wait": {**YES_NO, "default": False, "description": "Wait for a running task."}},
    )
    | {"examples": [{"model": "seedvr2_ema_3b_fp8_e4m3fn.safetensors"}]},
    "PullRequest": fields({"model": {**TEXT, "minLength": 1, "description": "File name, or short: 3b, 7b-sharp-q4."}})
    | {"examples": [{"model": "7b-q4"}]},
    "PauseRequest": _optional(
        {
            "now": {
                **YES_NO,
                "default": False,
                "description": "Stop the running task within seconds, instead of where a segment of a video ends.",
            }
        }
    )
    | {"examples": [{"now": True}]},
    "PriorityRequest": fields({"priority": {"type": "string", "enum": list(PRIORITIES)}})
    | {"examples": [{"priority": "high"}]},
}
