"""One frame of a picture or video, as the engine reads it, for browsers that cannot show the file itself.

Decodes files of strangers: for the process that looks into them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from seedvr2.errors import MediaError
from seedvr2.media import Frame, Source, open_source
from seedvr2.media.videos.video_source import VideoSource

# An 8K picture; browsers show about five times as much, and a phone not even that.
MOST_PIXELS = 7680 * 4320
# What comes of it goes a short way, and soon: packing it tighter takes longer than sending it.
_LEVEL = 1


def draw_frame(path: Path, at: float | None, size: tuple[int, int], target: Path) -> None:
    """Write the frame of `path` that is seen after `at` seconds as a PNG of `size` (width, height) at `target`.

    It is made smaller where that is more than MOST_PIXELS. `at`: None for the first frame.

    Raises:
        MediaError: no frame can be decoded there. TooLargeError, OutOfMemoryError: memory does not hold it.
    """
    image = still(path, at)
    scale = min(1.0, math.sqrt(MOST_PIXELS / (size[0] * size[1])))
    wanted = (max(int(size[0] * scale), 1), max(int(size[1] * scale), 1))
    if image.size != wanted:
        # Also where pixels are not square.
        image = image.resize(wanted, Image.Resampling.LANCZOS)
    image.save(target, "PNG", compress_level=_LEVEL)


def still(path: Path, at: float | None) -> Image.Image:
    """The frame of `path` at `at` seconds, the last one after its end, with 8 bits; errors as of `draw_frame`."""
    with open_source(path) as source:
        found = _seen(source, at, at)
        if found is None and at is not None:
            # There is nothing after that place: the last frame, then, wherever it is.
            found = _seen(source, None, at)
    if found is None:
        raise MediaError(f"{path.name} holds no frame that can be decoded.")
    pixels = found.image
    return Image.fromarray((pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels)


def _seen(source: Source, near: float | None, at: float | None) -> Frame | None:
    """The frame at `at`, read from a place before `near` on, or from the beginning."""
    found = None
    for found in _frames(source, near):
        if at is None or _end(source, found) > at:
            break
    return found


def _frames(source: Source, near: float | None) -> Iterator[Frame]:
    return source.frames(near=near) if isinstance(source, VideoSource) else source.frames()


def _end(source: Source, frame: Frame) -> float:
    """When the next frame is seen, in seconds from the beginning."""
    return float((frame.pts + (frame.duration or 0)) * frame.time_base - getattr(source, "origin", 0))
