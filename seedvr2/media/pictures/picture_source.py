"""Reading pictures: upright, as RGB, with 16 bits where the file has them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from seedvr2.errors import MediaError
from seedvr2.media.failures import reading
from seedvr2.media.info import Frame, MediaInfo, Pixels
from seedvr2.media.need import check_room, deep_need
from seedvr2.media.pictures.deep_items import decode_avif, decode_heif
from seedvr2.media.pictures.deep_pictures import decode_deep
from seedvr2.media.pictures.mended import loaded_picture, picture_file
from seedvr2.media.pictures.picture_header import read_header
from seedvr2.media.pictures.picture_modes import drop_unfit_profile, to_rgb
from seedvr2.media.pictures.tagged import TaggedSource
from seedvr2.media.pictures.tiff_directories import with_page_first

# Their readers give pixels that are upright already.
_UPRIGHT = ("tiff", "heif")


class PictureSource(TaggedSource):
    """A still picture."""

    def __init__(self, path: Path) -> None:
        """Reads the head only.

        Raises:
            MediaError: it is not a picture that can be read, or too large.
        """
        super().__init__(path)
        with reading(path):
            self._header = header = read_header(path)
        self.tags = header.tags
        self.info = MediaInfo(
            kind="picture",
            width=header.size[0],
            height=header.size[1],
            frames=1,
            fps=None,
            duration_s=None,
            has_alpha=header.has_alpha,
            bit_depth=header.bit_depth,
            codec=header.format,
            format=header.format,
            warnings=header.warnings,
        )

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`: exactly one."""
        self._found.clear()
        with reading(self.path):
            pixels = self._decode() if self._header.identified else self._decode_deep()
        if pixels is None:
            raise MediaError(f"{self.path.name} is a picture of a kind that cannot be read; save it again as PNG.")
        yield Frame(pixels)

    def prove(self) -> None:
        """See `Source.prove`: whole, but not turned into an array, which would take three times the memory."""
        header = self._header
        if header.deep_codec is None and header.bit_depth > 8:
            # Whether its numbers can be taken for colours shows only then.
            super().prove()
        elif not header.identified:
            check_room(self.path.name, deep_need(*header.size))
            super().prove()
        else:
            with reading(self.path), loaded_picture(self.path, header.page):
                pass

    def _decode(self) -> Pixels:
        header = self._header
        # Also where FFmpeg decodes: Pillow notices damage and missing ends, which FFmpeg paints over.
        with loaded_picture(self.path, header.page) as (image, notes):
            self._found += notes
            if header.deep_codec and (deep := self._decode_deep()) is not None:
                return deep
            pixels, self.tags, found = to_rgb(image, header.tags, self.path.name)
        self._found += found
        if header.deep_codec:
            self._found.append(f"The picture was read with 8 of its {header.bit_depth} bits.")
            pixels = pixels * np.uint16(257)
        return pixels if header.format in _UPRIGHT else header.orientation.apply(pixels)

    def _decode_deep(self) -> NDArray[np.uint16] | None:
        header = self._header
        assert header.deep_codec is not None
        try:
            if header.deep_codec == "avif":
                pixels = decode_avif(self.path.read_bytes(), self.path.name)
            elif header.deep_codec == "heif":
                pixels = decode_heif(self.path.read_bytes())
            else:
                with picture_file(self.path) as file:
                    data = file.read()
                pixels = decode_deep(with_page_first(data, header.page), header.deep_codec)
        except (av.FFmpegError, NotImplementedError, struct.error, IndexError):
            return None
        if pixels is None:
            return None
        if header.premultiplied:
            pixels = _divide_by_alpha(pixels)
        self.tags, found = drop_unfit_profile(header.tags, "RGB")
        self._found += found
        pixels = _with_channels(pixels, header.has_alpha)
        return pixels if header.format == "heif" else header.orientation.apply(pixels)


def _with_channels(pixels: NDArray[np.uint16], alpha: bool) -> NDArray[np.uint16]:
    """(H, W, 1…4) as RGB, or as RGBA if `alpha`; transparency that the header did not promise is dropped."""
    colors, opacity = pixels, np.full_like(pixels[..., :1], 65535)
    if pixels.shape[2] in (2, 4):
        colors, opacity = pixels[..., :-1], pixels[..., -1:]
    if colors.shape[2] == 1:
        colors = np.repeat(colors, 3, axis=2)
    return np.concatenate([colors, opacity], axis=2) if alpha else colors


def _divide_by_alpha(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    if pixels.shape[2] not in (2, 4):
        return pixels
    factor = 65535 / np.maximum(pixels[..., -1:].astype(np.float32), 1)
    colors = np.minimum(np.rint(pixels[..., :-1] * factor), 65535).astype(np.uint16)
    return np.concatenate([colors, pixels[..., -1:]], axis=2)
