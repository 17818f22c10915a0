"""Answers about the queue: what waits, what runs, what is done."""

from __future__ import annotations

from typing import Annotated, Literal

from daemon.api.answers.tasks import Media, Origin, Parameters, Result, TaskState
from daemon.api.shapes import Answer, Number, OneOf, Percent, TaskId, Time, Whole, about, at_times
from daemon.work.hold import HeldBy


class Holding(Answer):
    """Whether the queue is held though nothing is wrong."""

    held_by: Annotated[str, OneOf(tuple(HeldBy))] | None = about(
        "Whether it was paused on request, or is outside of its hours."
    )
    held_until: Time | None = about("When it goes on by itself, if it does.")


class Held(Holding):
    """Whether tasks are begun."""

    status: Literal["paused", "running"]
    reason: str | None


class Processing(Answer):
    """The running task."""

    task_id: TaskId
    progress: Percent
    model: str
    eta_s: Number = about("Seconds left, as they are counted in estimated_total_wait.")


class Pending(Answer):
    """A waiting task."""

    task_id: TaskId
    id: TaskId
    position: Whole
    created_at: Time
    params: Parameters
    waiting_for: str | None = about("Why it does not begin though it is its turn.")


class QueueStatus(Holding):
    """The whole queue."""

    queue_length: Whole = about("Tasks that wait.")
    in_system: Whole = about("Tasks that wait or run.")
    processing: Processing | None
    running: list[Processing] = about("All that run; processing is the first of them.")
    processing_task_id: TaskId | None
    processing_progress: Percent
    pending_tasks: list[Pending]
    total_completed: Whole
    total_failed: Whole
    total_cancelled: Whole
    avg_process_time: Number = about("Seconds, over the last tasks.")
    estimated_total_wait: Number = about("Seconds until all is done.")
    paused: str | None = about("Why no task is started, if so.")
    hours: str | None = about("In which the queue runs, as configured; null: at all times.")
    inbox_path: str = about("The watched folder, on the machine of the service.")


class Position(Answer):
    """The place of a task."""

    task_id: TaskId
    status: TaskState
    position: Whole
    estimated_wait: Whole


class Finished(Result):
    """A task that has ended."""

    id: TaskId
    status: TaskState
    created_at: Time
    completed_at: Time
    process_time: Number | None
    original_filename: str
    source: Origin
    params: Parameters
    media: Media
    available: bool = at_times("Whether the result is still there.")
    error: str = at_times()


class History(Answer):
    """Tasks that have ended, newest first."""

    history: list[Finished]
