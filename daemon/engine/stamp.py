"""Small pictures of pictures and videos. Decodes files of strangers: for the process that looks into them."""

from __future__ import annotations

import io
from pathlib import Path

import av
from PIL import Image, ImageOps, UnidentifiedImageError

from daemon.engine.still import still
from seedvr2.errors import MediaError
from seedvr2.media.pictures.mended import open_picture
from seedvr2.trouble import is_out_of_memory

EDGE = 384


def draw(path: Path, kind: str, size: tuple[int, int]) -> bytes | None:
    """A WebP picture of at most EDGE pixels of a picture or video that is shown in `size` (width, height).

    None if that is not possible. Raises OutOfMemoryError or MemoryError.
    """
    try:
        try:
            # Animations as well: what is a picture for the engine is one here.
            image: Image.Image | None = _picture(path)
        except UnidentifiedImageError:
            # Pictures of light and film, and the TIFFs that Pillow does not know.
            image = _frame(path) if kind == "video" else still(path, None)
    except (OSError, ValueError, UnidentifiedImageError, av.FFmpegError, MediaError) as error:
        if is_out_of_memory(error):
            raise
        return None
    if image is None:
        return None
    scale = min(EDGE / max(size), 1.0)
    small = image.resize((max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80)
    return buffer.getvalue()


def _picture(path: Path) -> Image.Image:
    with open_picture(path) as opened:
        # A JPEG is decoded at a fraction of its size.
        opened.draft("RGB", (EDGE, EDGE))
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):
            # 16 bits a sample: converting alone would cut off at 255.
            image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
        return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _frame(path: Path) -> Image.Image | None:
    """A frame from a tenth into the video: films begin in black."""
    with av.open(str(path)) as container:
        if container.duration:
            container.seek(container.duration // 10)
        for frame in container.decode(video=0):
            image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call] # PyAV has no type for it
            return image.rotate(frame.rotation, expand=True) if frame.rotation else image
    return None
