"""Colour conversion between a codec's samples and full-range RGB, as the file is tagged and not as swscale guesses."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from seedvr2.errors import MediaError
from seedvr2.media.info import Pixels

# Values of ITU-T H.273, which FFmpeg uses for its tags.
RGB, BT709, UNSPECIFIED, FCC, BT470BG, SMPTE170M, SMPTE240M, BT2020, BT2020_CL = 0, 1, 2, 4, 5, 6, 7, 9, 10
SRGB_TRANSFER = 13
PQ, HLG = 16, 18
LIMITED, FULL = 1, 2

# Tag → the matrix's name in swscale.
_SWS_MATRIX = {BT709: 1, FCC: 4, BT470BG: 5, SMPTE170M: 5, SMPTE240M: 7, BT2020: 9, BT2020_CL: 9}
# Without these swscale takes shortcuts that are off by up to 3 of 255 levels.
_EXACT = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
# Codecs whose specification says "limited" where the stream says nothing; other gray pictures are full range.
_LIMITED_GRAY = {"h264", "hevc", "av1", "vp9", "vp8", "vvc", "mpeg2video", "mpeg4", "prores", "dnxhd"}


@dataclass(frozen=True, slots=True)
class ColorTags:
    """How samples are to be read: values of H.273. `full`: the range is 0…255, not 16…235."""

    matrix: int
    primaries: int
    transfer: int
    full: bool

    @property
    def hdr(self) -> bool:
        """Whether the transfer function is one of high dynamic range."""
        return self.transfer in (PQ, HLG)


def read_tags(frame: av.VideoFrame, codec: str, name: str) -> ColorTags:
    """The tags of a decoded frame; what is missing follows from its size, as players do it.

    Raises:
        MediaError: its matrix cannot be converted. The message calls the file `name`.
    """
    matrix = int(frame.colorspace)
    gray = frame.format.name.startswith(("gray", "ya"))
    rgb = frame.format.is_rgb or frame.format.has_palette
    if matrix in (UNSPECIFIED, 3) or (matrix == RGB and not rgb):
        matrix = BT709 if frame.width >= 1280 or frame.height > 576 else SMPTE170M
    if not rgb and not gray and matrix not in _SWS_MATRIX:
        raise MediaError(f"{name} uses a colour matrix that cannot be converted; convert it to BT.709 first.")
    full = int(frame.color_range) == FULL or frame.format.name.startswith("yuvj") or rgb
    if gray and int(frame.color_range) not in (LIMITED, FULL):
        full = codec not in _LIMITED_GRAY
    return ColorTags(matrix, int(frame.color_primaries), int(frame.color_trc), full)


class RgbReader:
    """Converts decoded frames to RGB arrays; keeps swscale's tables between frames."""

    def __init__(self, codec: str, name: str) -> None:
        self._codec = codec
        self._name = name
        self._scaler = VideoReformatter()

    def __call__(self, frame: av.VideoFrame, size: tuple[int, int], *, alpha: bool, deep: bool) -> Pixels:
        """(H, W, 3), or 4 with `alpha`; uint16 if `deep`, else uint8. Not rotated. `size`: W and H."""
        tags = read_tags(frame, self._codec, self._name)
        layout = ("rgba64le" if alpha else "rgb48le") if deep else ("rgba" if alpha else "rgb24")
        matrix = _SWS_MATRIX.get(tags.matrix, 1)
        converted = self._scaler.reformat(
            frame,
            width=size[0],
            height=size[1],
            format=layout,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=FULL if tags.full else LIMITED,
            dst_color_range=FULL,
            interpolation=_EXACT,
        )
        return converted.to_ndarray()  # type: ignore[return-value]


class YuvWriter:
    """Converts RGB arrays to 4:2:0 frames with limited range, tagged; keeps swscale's tables between frames."""

    def __init__(self, tags: ColorTags) -> None:
        self.tags = tags
        self._scaler = VideoReformatter()

    def __call__(self, image: NDArray[np.uint8]) -> av.VideoFrame:
        """From (H, W, 3) uint8, H and W even."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
        matrix = _SWS_MATRIX[self.tags.matrix]
        converted = self._scaler.reformat(
            frame,
            format="yuv420p",
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=FULL,
            dst_color_range=LIMITED,
            interpolation=_EXACT,
        )
        converted.colorspace = self.tags.matrix
        converted.color_primaries = self.tags.primaries
        converted.color_trc = self.tags.transfer
        converted.color_range = LIMITED
        return converted


def output_tags(source: ColorTags | None) -> ColorTags:
    """The tags to write for a source: its primaries and transfer where it states them, the matrix of HD or UHD."""
    if source is None:
        return ColorTags(BT709, BT709, BT709, False)
    matrix = BT2020 if source.matrix in (BT2020, BT2020_CL) else BT709
    primaries = source.primaries if source.primaries not in (RGB, UNSPECIFIED) else BT709
    transfer = source.transfer if source.transfer not in (RGB, UNSPECIFIED) else BT709
    return ColorTags(matrix, primaries, transfer, False)
