"""Reading OpenEXR, Radiance HDR, PFM and DPX pictures: numbers proportional to light become those of a screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from seedvr2.errors import MediaError
from seedvr2.media.failures import cut_off, reading, too_large
from seedvr2.media.info import MAX_PIXELS, Frame, MediaInfo, Pixels
from seedvr2.media.need import check_room, film_need
from seedvr2.media.pictures.film_header import FilmHeader, exr_is_whole
from seedvr2.media.pictures.tagged import TaggedSource
from seedvr2.media.pictures.tags.picture_tags import PictureTags

_BRIGHT = "Brightness above white was cut to white: the result is for ordinary screens."
_SRGB_GAMMA = (45455).to_bytes(4, "big")
_BAND = 1 << 18
# Decoders of alpha give it last, and of gray one channel.
_GRAY, _GRAY_ALPHA, _RGB, _RGBA = 1, 2, 3, 4


class FilmSource(TaggedSource):
    """A still picture whose numbers are light, or film's."""

    def __init__(self, path: Path, header: FilmHeader) -> None:
        """Decodes the picture once, as only that shows whether it has transparency.

        Raises:
            MediaError: it cannot be decoded, or is too large. OutOfMemoryError: there is no room for it.
        """
        super().__init__(path)
        self._header = header
        if header.primaries:
            self.tags = PictureTags(color_chunks=((b"gAMA", _SRGB_GAMMA), (b"cHRM", header.primaries)))
        width, height = header.size
        if width * height > MAX_PIXELS or min(width, height) < 1:
            raise MediaError(too_large(path.name))
        check_room(path.name, film_need(width, height))
        with reading(path):
            channels = _channels(self._frame())
        self.info = MediaInfo(
            kind="picture",
            width=width,
            height=height,
            frames=1,
            fps=None,
            duration_s=None,
            has_alpha=channels in (_GRAY_ALPHA, _RGBA),
            bit_depth=header.bit_depth,
            codec=header.codec,
            format=header.codec,
        )

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`: exactly one."""
        self._found.clear()
        with reading(self.path):
            frame = self._frame()
            values = frame.to_ndarray()
        if values.ndim == 2:
            values = values[..., None]
        # A few rows at a time: the powers of all at once would take several times the picture.
        rows = max(1, _BAND // max(values.shape[1], 1))
        bands = [self._on_screen(values[top : top + rows], frame) for top in range(0, len(values), rows)]
        yield Frame(np.concatenate(bands))

    def _frame(self) -> av.VideoFrame:
        context = CodecContext.create(self._header.codec, "r")
        assert isinstance(context, VideoCodecContext)
        data = self.path.read_bytes()
        if self._header.codec == "exr" and not exr_is_whole(data):
            raise MediaError(cut_off(self.path.name))
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
        if not frames or (frames[0].width, frames[0].height) != self._header.size:
            raise ValueError("no picture")
        return frames[0]

    def _on_screen(self, values: NDArray[Any], frame: av.VideoFrame) -> Pixels:
        """RGB or RGBA as numbers of a screen, over the full range."""
        if values.dtype == np.uint8:
            return _as_rgb(np.array(values, np.uint8))
        if not self._header.linear:
            peak = (1 << frame.format.components[0].bits) - 1
            return _as_rgb(np.array(np.rint(values.astype(np.float32) * (65535 / peak)), np.uint16))
        light = np.nan_to_num(_light(values, frame), nan=0.0, posinf=2.0, neginf=0.0)
        count = light.shape[2]
        if count in (_GRAY_ALPHA, _RGBA):
            # Colours of such files are multiplied by their opacity.
            light[..., :-1] /= np.maximum(light[..., -1:], 1e-6)
        colors = light[..., :-1] if count in (_GRAY_ALPHA, _RGBA) else light
        if colors.max() > 1 + 1e-4 and _BRIGHT not in self._found:
            self._found.append(_BRIGHT)
        colors[...] = to_srgb(colors.clip(0, 1))
        return _as_rgb(np.array(np.rint(light.clip(0, 1) * 65535), np.uint16))


def to_srgb(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """The numbers of sRGB (IEC 61966-2-1) for light from 0 to 1."""
    result: NDArray[np.float32] = np.where(
        light <= 0.0031308, light * 12.92, 1.055 * np.power(np.maximum(light, 0.0031308), 1 / 2.4) - 0.055
    )
    return result


def _light(values: NDArray[Any], frame: av.VideoFrame) -> NDArray[np.float32]:
    light = values.astype(np.float32)
    if np.issubdtype(values.dtype, np.integer):
        light /= (1 << frame.format.components[0].bits) - 1
    return light


def _channels(frame: av.VideoFrame) -> int:
    return len(frame.format.components)


def _as_rgb(pixels: Pixels) -> Pixels:
    if pixels.shape[2] in (_RGB, _RGBA):
        return pixels
    return np.concatenate([np.repeat(pixels[..., :1], 3, axis=2), pixels[..., 1:]], axis=2)
