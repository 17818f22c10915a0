"""Writes the images of a preview, and one sheet on which all of them are side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from seedvr2.media.failures import writing
from seedvr2.media.pictures.tags.picture_tags import PictureTags
from seedvr2.media.pictures.tags.writing import png_with_tags
from seedvr2.preview.making import Preview, PreviewFrame

SHEET = "sheet.png"
# Of a sheet: an edge that every viewer and assistant takes, and what is between the images.
_WIDEST, _GAP, _LABEL = 2048, 12, 18
_IN_A_ROW = 5
_GROUND, _INK = (24, 24, 27), (235, 235, 235)
# PNG at this level is twice as large as at the best, in a tenth of the time.
_LEVEL = 1


def image_name(frame: PreviewFrame) -> str:
    """The name of an image: `plain.png`, `strength-0.5.png`; with its time where it is of a video."""
    what = "plain" if frame.strength == 0 else f"strength-{frame.strength:g}"
    return f"{what}.png" if frame.seconds is None else f"{frame.seconds:.3f}s-{what}.png"


def label(strength: float) -> str:
    """What an image is, in words."""
    return "plain resize" if strength == 0 else f"strength {strength:g}"


def write_preview(preview: Preview, folder: Path, prefix: str = "") -> list[str]:
    """Write every image and the sheet into a folder that is there; the names of the images, in their order.

    All names begin with `prefix`. Files of these names are replaced.

    Raises:
        MachineError, MediaError: the disk refuses.
    """
    with writing(folder.name):
        for frame in preview.frames:
            _save(Image.fromarray(frame.image), folder / (prefix + image_name(frame)), preview.tags)
        _save(sheet(preview), folder / (prefix + SHEET), preview.tags)
    return [prefix + image_name(frame) for frame in preview.frames]


def _save(image: Image.Image, path: Path, tags: PictureTags) -> None:
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=_LEVEL)
    path.write_bytes(png_with_tags(buffer.getvalue(), tags))


def describe(preview: Preview, names: Sequence[str], sheet_name: str = SHEET) -> dict[str, Any]:
    """What a preview shows, for JSON: its images by their names, in the order of `write_preview`."""
    return {
        "width": preview.width,
        "height": preview.height,
        "output_width": preview.size[0],
        "output_height": preview.size[1],
        "crop": None if preview.crop is None else asdict(preview.crop),
        "model": preview.model,
        "seconds": round(preview.seconds, 3),
        "frames_together": preview.together,
        "speed": preview.speed,
        "warnings": list(preview.warnings),
        "images": [
            {"strength": frame.strength, "at": frame.seconds, "name": name}
            for frame, name in zip(preview.frames, names, strict=True)
        ],
        "sheet": sheet_name,
    }


def sheet(preview: Preview) -> Image.Image:
    """All images side by side with their labels, a row for each frame of a video; smaller where they are large."""
    each = len({frame.strength for frame in preview.frames})
    columns = min(each, _IN_A_ROW)
    scale = min((_WIDEST - _GAP * (columns + 1)) / (columns * preview.width), 1.0)
    width, height = max(round(preview.width * scale), 1), max(round(preview.height * scale), 1)
    rows = -(-each // columns) * (len(preview.frames) // each)
    line = height + _LABEL + _GAP
    # Room for the longest label, however narrow the images are.
    cell = max(width, 110)
    result = Image.new("RGB", (columns * (cell + _GAP) + _GAP, rows * line + _GAP), _GROUND)
    draw, font = ImageDraw.Draw(result), ImageFont.load_default(13)
    row = column = -1
    for index, frame in enumerate(preview.frames):
        column = 0 if index % each == 0 or column + 1 == columns else column + 1
        row += column == 0
        left, top = _GAP + column * (cell + _GAP), _GAP + row * line
        text = label(frame.strength)
        if frame.seconds is not None and len(preview.frames) > each:
            text += f", {frame.seconds:.2f} s"
        draw.text((left, top), text, fill=_INK, font=font)
        image = Image.fromarray(frame.image)
        if scale < 1:
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        # What is transparent shows the ground.
        result.paste(image, (left, top + _LABEL), image if image.mode == "RGBA" else None)
    return result
