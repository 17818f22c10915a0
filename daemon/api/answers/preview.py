"""The answer to a preview."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from daemon.api.shapes import Answer, Number, TaskId, Whole, about


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
