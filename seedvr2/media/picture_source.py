"""Reading pictures with Pillow; those of 16 bits, which Pillow would cut to 8, with PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from seedvr2.media.failures import reading
from seedvr2.media.info import Frame, MediaInfo
from seedvr2.media.orientation import exif_orientation
from seedvr2.media.source import Source

_ORIENTATION = 0x0112


class PictureSource(Source):
    """A still picture."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with reading(path.name), Image.open(path) as image:
            self._orientation = exif_orientation(image.getexif().get(_ORIENTATION))
            width, height = self._orientation.size(*image.size)
            self.info = MediaInfo(
                kind="picture",
                width=width,
                height=height,
                frames=1,
                fps=None,
                duration_s=None,
                has_alpha=image.has_transparency_data,
                bit_depth=8,
                codec=(image.format or "").lower(),
                format=(image.format or "").lower(),
            )

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`: exactly one."""
        with reading(self.path.name), Image.open(self.path) as image:
            pixels = np.asarray(image.convert("RGBA" if self.info.has_alpha else "RGB"))
        yield Frame(self._orientation.apply(pixels))
