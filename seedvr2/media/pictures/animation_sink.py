"""Writing animations as animations: with the times, repetitions and transparency of the source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from seedvr2.errors import MediaError
from seedvr2.media.atomic import PartFile
from seedvr2.media.failures import writing
from seedvr2.media.info import Frame, Pixels
from seedvr2.media.pictures.animation_files import WRITERS
from seedvr2.media.pictures.animation_source import AnimationSource
from seedvr2.media.pictures.edges import check_edges
from seedvr2.media.pictures.tags.fitting import fitted
from seedvr2.media.sink import Sink

# Longest edge that a format can state.
_LONGEST = {".webp": 16383, ".gif": 65535}
_FEW_COLORS = "A GIF has 256 colours a frame, and pixels are opaque or not there; choose webp or png to keep all."


class AnimationSink(Sink):
    """An animated PNG, WebP or GIF in the making; one frame is in memory at a time."""

    bit_depth = 8

    def __init__(self, target: Path, suffix: str, source: AnimationSource, width: int, height: int) -> None:
        """Creates the hidden file.

        Args:
            target: the file to make. suffix: `.png`, `.webp` or `.gif`, whatever the target's own.
            source: whose times, repetitions and tags are taken over.
            width, height: of the images to come.

        Raises:
            MediaError: the target exists or cannot be written.
            OptionError: the format cannot hold so large a picture.
        """
        super().__init__()
        check_edges(width, height, f"A {suffix[1:]} animation", _LONGEST.get(suffix))
        self._shape = (height, width)
        tags, self._warnings = fitted(source.tags, suffix[1:], width, height)
        if suffix == ".gif" and source.info.format != "gif":
            self._warnings.append(_FEW_COLORS)
        self._part = PartFile(target)
        with writing(target.name):
            self._file = self._part.path.open("wb")
        self._writer = WRITERS[suffix](self._file, (width, height), source.loops, tags)

    def write(self, image: Pixels, frame: Frame) -> None:
        """See `Sink.write`."""
        if image.shape[:2] != self._shape or image.dtype != np.uint8:
            raise ValueError(f"expected uint8 of {self._shape}, got {image.dtype} of {image.shape}")
        start, end = (round(1000 * time * frame.time_base) for time in (frame.pts, frame.pts + (frame.duration or 0)))
        with writing(self._part.target.name):
            self._writer.add(Image.fromarray(np.ascontiguousarray(image)), start, end)

    def close(self) -> None:
        """See `Sink.close`."""
        try:
            if not self._writer.count:
                raise MediaError(f"{self._part.target.name} was not written, as there were no frames for it.")
            with writing(self._part.target.name):
                self._writer.finish()
                self._file.close()
            self._part.publish()
        finally:
            self.abort()

    def abort(self) -> None:
        """See `Sink.abort`."""
        self._file.close()
        self._part.discard()
