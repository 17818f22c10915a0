"""Writing pictures: PNG, JPEG, WebP and TIFF, with what the source carries."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from seedvr2.errors import MediaError
from seedvr2.media.atomic import PartFile
from seedvr2.media.failures import writing
from seedvr2.media.info import Frame, Pixels
from seedvr2.media.pictures.deep_pictures import encode_deep_png
from seedvr2.media.pictures.edges import check_edges
from seedvr2.media.pictures.tagged import TaggedSource
from seedvr2.media.pictures.tags.fitting import fitted
from seedvr2.media.pictures.tags.picture_tags import PictureTags
from seedvr2.media.pictures.tags.writing import pillow_options, png_with_tags
from seedvr2.media.pictures.tiff_writer import encode_tiff
from seedvr2.media.sink import Sink
from seedvr2.media.source import Source

_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    # 4:4:4: halved colour would undo what was restored.
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0, "optimize": True}),
    ".webp": ("WEBP", {"quality": 95, "method": 4}),
}
_DEEP_SUFFIXES = (".png", ".tiff")
# Longest edge that a format can state.
_LONGEST = {".webp": 16383, ".jpg": 65535}


class PictureSink(Sink):
    """A picture file in the making. `bit_depth` is 16 if source and format have 16 bits."""

    def __init__(self, target: Path, suffix: str, source: Source, width: int, height: int) -> None:
        """Creates the hidden file.

        Args:
            target: the file to make. suffix: `.png`, `.jpg`, `.webp` or `.tiff`, whatever the target's own.
            source: whose tags are taken over.
            width, height: of the image to come.

        Raises:
            MediaError: the target exists or cannot be written.
            OptionError: the format cannot hold so large a picture.
        """
        super().__init__()
        check_edges(width, height, f"A {suffix[1:]} picture", _LONGEST.get(suffix))
        self._suffix = suffix
        self._source = source
        self._shape = (height, width)
        self._data: bytes | None = None
        self.bit_depth = 16 if source.info.bit_depth > 8 and suffix in _DEEP_SUFFIXES else 8
        if source.info.bit_depth > 8 and self.bit_depth == 8:
            self._warnings.append(f"The source has {source.info.bit_depth} bits per sample; {suffix[1:]} keeps 8.")
        if source.info.has_alpha and suffix == ".jpg":
            self._warnings.append("JPEG has no transparency; the picture was put on white.")
        self._part = PartFile(target)

    def write(self, image: Pixels, frame: Frame) -> None:  # noqa: ARG002 - a picture has no time
        """See `Sink.write`; a picture takes exactly one image."""
        if image.shape[:2] != self._shape or image.dtype.itemsize * 8 != self.bit_depth:
            raise ValueError(f"expected {self.bit_depth} bits of {self._shape}, got {image.dtype} of {image.shape}")
        if self._data is not None:
            raise ValueError("a picture has one frame")
        with writing(self._part.target.name):
            self._data = self._encode(image)

    def close(self) -> None:
        """See `Sink.close`."""
        try:
            if self._data is None:
                raise MediaError(f"{self._part.target.name} was not written, as there was no image for it.")
            with writing(self._part.target.name):
                self._part.path.write_bytes(self._data)
            self._part.publish()
        finally:
            self.abort()

    def abort(self) -> None:
        """See `Sink.abort`."""
        self._data = None
        self._part.discard()

    def _encode(self, image: Pixels) -> bytes:
        """In memory: Pillow would not say why a file cannot be written."""
        tags = self._tags(*self._shape[::-1])
        if self._suffix == ".tiff":
            return encode_tiff(image, tags)
        if self.bit_depth == 16:
            return encode_deep_png(image.astype(np.uint16, copy=False), tags)
        if image.shape[2] == 4 and self._suffix == ".jpg":
            image = _on_white(image)
        kind, options = _FORMATS[self._suffix]
        buffer = BytesIO()
        picture = Image.fromarray(np.ascontiguousarray(image))
        if kind == "PNG":
            picture.save(buffer, kind)
            return png_with_tags(buffer.getvalue(), tags)
        picture.save(buffer, kind, **options, **pillow_options(tags, self._suffix))
        return buffer.getvalue()

    def _tags(self, width: int, height: int) -> PictureTags:
        if not isinstance(self._source, TaggedSource):
            return PictureTags()
        tags, warnings = fitted(self._source.tags, self._suffix[1:], width, height)
        self._warnings += warnings
        return tags


def _on_white(image: Pixels) -> Pixels:
    """(H, W, 3) uint8 of (H, W, 4) uint8 over white."""
    colors, alpha = image[..., :3].astype(np.uint16), image[..., 3:].astype(np.uint16)
    return ((colors * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
