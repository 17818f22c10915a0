"""Reading animated GIF, WebP, PNG and AVIF with Pillow, which puts their partial frames together."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from seedvr2.media.failures import reading
from seedvr2.media.info import Frame, MediaInfo
from seedvr2.media.pictures.deep_items import item_depth
from seedvr2.media.pictures.mended import open_picture
from seedvr2.media.pictures.tagged import TaggedSource
from seedvr2.media.pictures.tags.reading import read_picture_tags

_MILLISECONDS = Fraction(1, 1000)
# Browsers show frames of up to 10 ms, which old programs wrote for "as fast as you can", for 100 ms.
_SHORTEST_MS = 10
_INSTEAD_MS = 100
_READ_DEPTH = 8
# Where the header of a PNG has the bits per sample.
_PNG_DEPTH = 24
# These formats count repetitions of the first showing, or showings; GIF without a count is shown once.
_REPETITIONS = "GIF"


class AnimationSource(TaggedSource):
    """A picture file with more than one frame, as a video without sound.

    Attributes:
        loops: how often it is shown; 0 for ever.
    """

    def __init__(self, path: Path) -> None:
        """Reads the headers and decodes every frame's time and the first one's pixels.

        Raises:
            MediaError: it cannot be decoded.
        """
        super().__init__(path)
        with reading(path), open_picture(path) as image:
            name = (image.format or "").lower()
            self.tags, warnings = read_picture_tags(image, path)
            if (depth := _depth(path, name)) > _READ_DEPTH:
                warnings.append(f"The animation was read with {_READ_DEPTH} of its {depth} bits per sample.")
            self.loops = _loops(image)
            first = _hidden(image)
            image.seek(first)
            # Partial frames are transparent where the one before shows through; what counts is the first whole one.
            opaque = np.asarray(image.convert("RGBA"))[..., 3].min() == 255
            count = shown_frames(image)
            milliseconds = sum(_duration(image, index) for index in range(first, first + count))
            rate = Fraction(1000 * count, milliseconds)
            self.info = MediaInfo(
                kind="video",
                width=image.width,
                height=image.height,
                frames=count,
                fps=rate,
                duration_s=milliseconds / 1000,
                has_alpha=not opaque,
                bit_depth=8,
                codec=name,
                format=name,
                animation=True,
                warnings=tuple(warnings),
            )

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        mode = "RGBA" if self.info.has_alpha else "RGB"
        with reading(self.path), open_picture(self.path) as image:
            pts, first = 0, _hidden(image)
            for index in range(first, first + shown_frames(image)):
                duration = _duration(image, index)
                yield Frame(np.array(image.convert(mode)), pts, _MILLISECONDS, duration)
                pts += duration


def _depth(path: Path, name: str) -> int:
    """Bits per sample of what is stored."""
    if name == "avif":
        return item_depth(path.read_bytes())
    with path.open("rb") as file:
        return file.read(_PNG_DEPTH + 1)[_PNG_DEPTH] if name == "png" else _READ_DEPTH


def shown_frames(image: Image.Image) -> int:
    """How many frames an opened file shows: 1 if it is a still."""
    return int(getattr(image, "n_frames", 1)) - _hidden(image)


def _hidden(image: Image.Image) -> int:
    """Frames before the first one shown: an animated PNG may begin with a picture for other programs."""
    return int(bool(getattr(image, "default_image", False)))


def _loops(image: Image.Image) -> int:
    if image.format == _REPETITIONS:
        return image.info["loop"] + 1 if image.info.get("loop") else 0 if "loop" in image.info else 1
    return int(image.info.get("loop", 0))


def _duration(image: Image.Image, index: int) -> int:
    """Milliseconds that a frame is shown; leaves the image at that frame, decoded."""
    image.seek(index)
    image.load()
    stated = round(image.info.get("duration", 0))
    return stated if stated > _SHORTEST_MS else _INSTEAD_MS
