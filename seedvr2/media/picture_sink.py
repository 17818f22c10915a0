"""Writing pictures with Pillow."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from seedvr2.errors import MediaError
from seedvr2.media.atomic import PartFile
from seedvr2.media.failures import writing
from seedvr2.media.info import Frame, Pixels
from seedvr2.media.sink import Sink
from seedvr2.media.source import Source


class PictureSink(Sink):
    """A picture file in the making."""

    def __init__(self, target: Path, suffix: str, source: Source) -> None:
        super().__init__()
        self._part = PartFile(target)
        self._written = False

    def write(self, image: Pixels, frame: Frame) -> None:
        """See `Sink.write`; a picture takes one image."""
        with writing(self._part.target.name):
            Image.fromarray(image).save(self._part.path, "PNG")
        self._written = True

    def close(self) -> None:
        """See `Sink.close`."""
        try:
            if not self._written:
                raise MediaError(f"{self._part.target.name} was not written, as there was no image for it.")
            self._part.publish()
        finally:
            self.abort()

    def abort(self) -> None:
        """See `Sink.abort`."""
        self._part.discard()
