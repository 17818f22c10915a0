"""Answers to what is asked before a task: what it will look like, and what it would take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from daemon.api.shapes import Answer, Number, TaskId, UploadId, Whole, about


class Crop(Answer):
    """A part of a picture, in pixels."""

    x: Whole
    y: Whole
    width: Whole
    height: Whole


class PreviewImage(Answer):
    """One image of a preview."""

    strength: Annotated[float, Field(ge=0, le=1)] = about("0: the plain resize.")
    at: float | None = about("Seconds from the beginning of a video.")
    url: str = about("A PNG, which loses nothing.")


class Preview(Answer):
    """What a task will look like."""

    id: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    task_id: TaskId | None
    upload_id: UploadId | None = about("Of the file, where it is kept.")
    width: Whole = about("Of each image, in pixels of the result.")
    height: Whole
    output_width: Whole = about("Of the result of the task.")
    output_height: Whole
    crop: Crop | None = about("The part that is shown, in pixels of the source; null for all of it.")
    model: str
    seconds: Number = about("That the restoration took.")
    frames_together: Whole = about("How many frames were restored together.")
    warnings: list[str]
    images: list[PreviewImage]
    sheet: str = about("A PNG of all images side by side.")
    kept_s: Whole = about("Seconds until the images go.")


class Plan(Answer):
    """What a task would take."""

    task_id: TaskId | None
    upload_id: UploadId | None = about("Of the file, where it is kept.")
    width: Whole = about("Of the source, in pixels.")
    height: Whole
    frames: Whole
    duration_s: Number | None
    output_width: Whole = about("Of the result, in pixels.")
    output_height: Whole
    output_format: str
    model: str | None = about("That would run; null where none can.")
    seconds: Number | None = about(
        "That it takes: by what the model took here before, else a rough estimate; null while nothing is known."
    )
    measured: bool = about("Whether the model has run here; else the seconds are rough.")
    wait_s: Whole = about("Seconds until all that is in the queue now is done.")
    frames_together: Whole | None = about("That are restored at a time.")
    memory_bytes: Whole | None = about("At the peak: of the GPU, else of main memory.")
    weights_bytes: Whole | None = about("Of that, the model's.")
    memory_free_bytes: Whole | None = about("That a task can have.")
    result_bytes: Whole = about("A video takes a third to three times as much; a picture less.")
    disk_bytes: Whole = about("At the most at a time, as a video is joined of its segments.")
    disk_free_bytes: Whole | None
    fits: bool | None = about("Whether it can run here; null: that is not sure.")
    why: str | None = about("Why it does not fit, or may not; what to do.")
    reasons: list[str] = about("Why it would be done like this.")
