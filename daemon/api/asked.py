"""Models of all bodies and queries sent to the API. They validate it, and the API document is made from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, create_model
from pydantic import StringConstraints as Constraints
from pydantic import WithJsonSchema as Shown

from daemon.api.bodies import Body, Query
from daemon.api.form import FILE_FIELD
from daemon.api.kept import KEEP
from daemon.api.shapes import BINARY, TEXT, Number, TaskId, UploadId, about, at_times
from daemon.jobs.job import State
from daemon.jobs.parameters import JOB_PARAMETERS, MODEL, PRIORITY, NullableModel, fields_of, typed
from daemon.outside.logs import KEPT_LINES, LEVELS
from daemon.store.presets import FIELD
from seedvr2.options import Parameter
from seedvr2.preview.wish import MOST_FRAMES, MOST_PATIENCE_S, MOST_STRENGTHS, PATIENCE_S, STRENGTHS

FINISHED = (State.COMPLETED, State.FAILED, State.CANCELLED)
ALL = "all"
SUBMIT_FORM = "SubmitForm"
MAX_HISTORY = 1000
CROP = r"^(auto|whole|[0-9]+,[0-9]+,[1-9][0-9]*,[1-9][0-9]*)$"
_LIMIT = Parameter("limit", int, 20, f"How many; brought into 1 to {MAX_HISTORY}")
_STATUS = Parameter(
    "status", str, State.COMPLETED.value, "Which ones", choices=(*(each.value for each in FINISHED), ALL)
)
_OF = Parameter("of", str, "result", "Which of the two", choices=("result", "source"))
_AT = Parameter("at", float, 0.0, "Seconds from the beginning of a video", 0, 10**7)
_LINES = Parameter("lines", int, 200, f"How many; brought into 1 to {KEPT_LINES}")
_LEVEL = Parameter("level", str, "debug", "At least so serious", choices=tuple(LEVELS))

# What may be told of a source that is not at hand: more than anybody has is 10 years of 100 frames a second, and the
# largest picture that there is a format for.
FACTS = (
    Parameter("width", int, 1, "Pixels of a source that is not at hand", 1, 1 << 20),
    Parameter("height", int, 1, "Pixels, likewise", 1, 1 << 20),
    Parameter("frames", int, 1, "Of a video; 1 or left out: a picture", 1, 1 << 35),
)
ModelName = Annotated[str, Constraints(strip_whitespace=True, min_length=1)]
Flag = Annotated[bool, BeforeValidator(lambda text: (text or "").lower() in ("1", "true", "yes")), Shown(TEXT)]
PresetName = Annotated[str, Field(description="Name of a preset; what is said beside it goes before what is in it.")]
File = Annotated[str, Shown({**BINARY, "description": "The picture or video."})]


def _unless_said(description: str) -> Any:
    """A flag that is left out where it is not meant, and False then."""
    return Field(default=None, validate_default=True, description=description)


class SwitchRequest(Body):
    """Which model to load."""

    example = '{"model": "name"}'
    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "seedvr2_ema_3b_fp8_e4m3fn.safetensors"}]})
    model: ModelName = about("Model file name.")
    wait: bool = about("Wait for a running task.", default=False)


class PullRequest(Body):
    """Which model to fetch."""

    example = '{"model": "name"}'
    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "7b-q4"}]})
    model: ModelName = about("File name, or short: 3b, 7b-sharp-q4.", validation_alias=AliasChoices("model", "name"))
    machine: str | None = about("Of the cluster, to fetch it there; null: this one.", default=None)


class PauseRequest(Body):
    """How to pause."""

    example = '{"now": true}'
    model_config = ConfigDict(json_schema_extra={"examples": [{"now": True}]})
    now: bool = about(
        "Stop the running task within seconds, instead of where a segment of a video ends.", default=False
    )


class PriorityRequest(Body):
    """Another priority for a task."""

    example = '{"priority": "high"}'
    model_config = ConfigDict(json_schema_extra={"examples": [{"priority": "high"}]})
    priority: typed(PRIORITY)  # type: ignore[valid-type] # made from the table of parameters


class ModelsQuery(Query):
    """Which models to list."""

    all: Flag = _unless_said("1: also the models that are not on this machine.")


class RemoveQuery(Query):
    """How to remove a model."""

    force: Flag = _unless_said("1: also a file that was not fetched by this program.")
    file: str = at_times("`device-inode` in hexadecimal digits: only if it is this file, else 404.")


class CancelPullQuery(Query):
    """Which download to give up."""

    machine: str = at_times("Of the cluster, where it goes to; left out: this one.")


class DownloadQuery(Query):
    """How a file is sent."""

    inline: Flag = _unless_said("1: to be shown instead of saved.")


class FrameQuery(Query):
    """Which frame to draw."""

    of: typed(_OF) = _OF.default  # type: ignore[valid-type]
    at: typed(_AT) = _AT.default  # type: ignore[valid-type]


class ManyQuery(Query):
    """Whose results to send together."""

    ids: str = at_times("Of completed tasks, with commas between them.")


class LogQuery(Query):
    """Which lines of the log."""

    lines: Annotated[typed(_LINES), AfterValidator(lambda count: min(max(count, 1), KEPT_LINES))] = _LINES.default  # type: ignore[valid-type]
    level: typed(_LEVEL) = _LEVEL.default  # type: ignore[valid-type]


class HistoryQuery(Query):
    """Which finished tasks."""

    limit: Annotated[typed(_LIMIT), AfterValidator(lambda count: min(max(count, 1), MAX_HISTORY))] = _LIMIT.default  # type: ignore[valid-type]
    status: typed(_STATUS) = _STATUS.default  # type: ignore[valid-type]


class FileOrTask(BaseModel):
    """What is asked about."""

    model_config = ConfigDict(extra="forbid")
    file: File = at_times()
    keep: typed(KEEP) = KEEP.default  # type: ignore[valid-type]
    upload_id: UploadId = at_times("A file that is kept, in place of one that is sent.")
    task_id: TaskId = at_times("A task that is asked about, in place of a file.")


class Wishes(FileOrTask):
    """What a preview takes besides the parameters of a task; the engine's own `Wish` parses it."""

    task_id: TaskId = at_times("A task whose source is to be shown, in place of a file.")
    at: Number = at_times("Seconds from the beginning of a video; else a place in its middle.")
    crop: Annotated[str, Field(pattern=CROP)] = at_times(
        "x,y,width,height in pixels of the source; auto (default): the most detailed part, if the whole would take "
        "too long; whole: all of it, if that is not so."
    )
    strengths: str = at_times(
        f"Up to {MOST_STRENGTHS} with commas between them, beside the plain resize; "
        f"{', '.join(f'{strength:g}' for strength in STRENGTHS)} where none are named."
    )
    frames: Annotated[int, Field(ge=1, le=MOST_FRAMES)] = at_times("Neighbours to show.")
    patience: Annotated[float, Field(ge=0.5, le=MOST_PATIENCE_S)] = at_times(
        f"Seconds that the restoration may take about; {PATIENCE_S:g} where it is not said."
    )


def request_models(defaults: Mapping[str, Any]) -> list[type[BaseModel]]:
    """The models of all bodies; `defaults` are those that this server is configured with."""
    exactly = ConfigDict(extra="forbid")
    again = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"resolution": 2160, "seed": 7}]})
    parameters = fields_of(JOB_PARAMETERS, defaults)
    preset: dict[str, Any] = {FIELD: (PresetName, "")}
    with_file: dict[str, Any] = {FILE_FIELD: (File, ...), **preset, **parameters}
    model = {MODEL.name: (NullableModel, None)}
    wished = preset | _optional(JOB_PARAMETERS)
    return [
        create_model(SUBMIT_FORM, __config__=exactly, **with_file),
        create_model("PreviewForm", __base__=Wishes, **wished),
        create_model("PlanForm", __base__=FileOrTask, **_optional(FACTS), **wished),
        create_model(
            "AgainRequest",
            __config__=again,
            __doc__="Parameters as for POST /api/process; one that is left out takes the server's default.",
            **preset | _nullable(parameters) | model,
        ),
        create_model(
            "PresetRequest",
            __config__=ConfigDict(extra="forbid", json_schema_extra={"examples": [{"resolution": 2160}]}),
            __doc__="Parameters as for POST /api/process.",
            **_nullable(_optional(JOB_PARAMETERS)) | model,
        ),
        *(SwitchRequest, PullRequest, PauseRequest, PriorityRequest),
    ]


def _nullable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """In JSON, null says as much as a field that is left out."""
    return {name: (kind | None, default) for name, (kind, default) in fields.items()}


def _optional(rows: Iterable[Parameter]) -> dict[str, Any]:
    return {row.name: (typed(row), None) for row in rows}
