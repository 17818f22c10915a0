"""Reading animated GIF, WebP, PNG and AVIF with Pillow, which puts their partial frames together."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from seedvr2.media.failures import reading
from seedvr2.media.info import Frame, MediaInfo
from seedvr2.media.source import Source

_MILLISECONDS = Fraction(1, 1000)
# Browsers show frames of up to 10 ms, which old programs wrote for "as fast as you can", for 100 ms.
_SHORTEST_MS = 10
_INSTEAD_MS = 100


class AnimationSource(Source):
    """A picture file with more than one frame, as a video without sound."""

    def __init__(self, path: Path) -> None:
        """Reads the headers and decodes every frame's time and the first one's pixels.

        Raises:
            MediaError: it cannot be decoded.
        """
        super().__init__(path)
        with reading(path), Image.open(path) as image:
            name = (image.format or "").lower()
            # Partial frames are transparent where the one before shows through; what counts is the first whole one.
            opaque = np.asarray(image.convert("RGBA"))[..., 3].min() == 255
            milliseconds = sum(_duration(image, index) for index in range(_count(image)))
            rate = Fraction(1000 * _count(image), milliseconds)
            self.info = MediaInfo(
                kind="video",
                width=image.width,
                height=image.height,
                frames=_count(image),
                fps=rate,
                duration_s=milliseconds / 1000,
                has_alpha=not opaque,
                bit_depth=8,
                codec=name,
                format=name,
            )

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        mode = "RGBA" if self.info.has_alpha else "RGB"
        with reading(self.path), Image.open(self.path) as image:
            pts = 0
            for index in range(_count(image)):
                duration = _duration(image, index)
                yield Frame(np.array(image.convert(mode)), pts, _MILLISECONDS, duration)
                pts += duration


def _count(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1))


def _duration(image: Image.Image, index: int) -> int:
    """Milliseconds that a frame is shown; leaves the image at that frame, decoded."""
    image.seek(index)
    image.load()
    stated = round(image.info.get("duration", 0))
    return stated if stated > _SHORTEST_MS else _INSTEAD_MS
