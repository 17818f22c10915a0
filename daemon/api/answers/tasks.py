"""Answers about tasks: submitted, followed, ended, shown beforehand."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel, create_model

from daemon.api.shapes import Answer, Number, OneOf, Percent, Size, TaskId, Time, Whole, about, at_times
from daemon.jobs.drafts import ORIGINS
from daemon.jobs.job import State
from daemon.jobs.parameters import JOB_PARAMETERS, MODEL, NullableModel, fields_of

Origin = Annotated[str, OneOf(ORIGINS)]
_ASKED = create_model("_Asked", __base__=Answer, **fields_of(JOB_PARAMETERS) | {MODEL.name: (NullableModel, ...)})


class Parameters(_ASKED):  # type: ignore[misc, valid-type] # made from the table of parameters
    """What a task was asked for."""


class TaskState(RootModel[Annotated[str, OneOf(tuple(State))]]):
    """How far a task is."""


class Media(Answer):
    """What was sent."""

    kind: Literal["picture", "video"]
    width: Whole
    height: Whole
    frames: Whole
    duration_s: Number | None = Field(default=None, description="Of a video, where it is known.")


class Result(Answer):
    """What came out of a completed task."""

    output_path: str = at_times()
    output_filename: str = at_times()
    output_resolution: Size = at_times()
    model: str = at_times()
    frames_done: Whole = at_times()
    frames_total: Whole = at_times()
    warnings: list[str] = at_times()
    places: list[str] = at_times("On a cluster: where it is made; and what has made it, when it is done.")


class Task(Result):
    """A task with its progress and, once it is completed, its result."""

    id: TaskId
    status: TaskState
    progress: Percent = about("Never goes back.")
    queue_position: Whole = about("1 is the running task; 0 once it has ended.")
    created_at: Time
    params: Parameters
    source: Origin
    original_filename: str
    media: Media
    stage: str | None = about("What is being done, while it runs.")
    frames_done: Whole
    frames_total: Whole | None  # type: ignore[assignment] # null until it is known
    eta_s: float | None = about("Seconds left, estimated.")
    started_at: Time = at_times()
    completed_at: Time = at_times()
    process_time: Number = at_times("Seconds of work, without those in which others went first.")
    error: str = at_times("Why it failed or was cancelled.")
    waiting_for: str = at_times("Why it does not begin though it is its turn, or what it lets go first.")
    segments_done: Whole = at_times("Of a video: it goes on after these if it is interrupted.")
    segments_total: Whole = at_times()
    units_done: Whole = at_times("On a cluster, while it runs: segments, or the one picture.")
    units_total: Whole = at_times()
    duplicate_of: TaskId = at_times()
    retry_of: TaskId = at_times()


class Submitted(Answer):
    """A task was taken in."""

    status: Literal["queued"]
    task_id: TaskId
    queue_position: Annotated[int, Field(ge=1)]
    estimated_wait_seconds: Whole


class Retried(Submitted):
    """A new task for the source of another one."""

    retry_of: TaskId


class Cancelled(Answer):
    """A task was cancelled, or will be within seconds."""

    status: Literal["cancelled", "cancelling"]
    task_id: TaskId


class Deleted(Answer):
    """A task and its files are gone."""

    status: Literal["deleted"]
    task_id: TaskId
