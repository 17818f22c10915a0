"""What a video says of its colours, and what is meant where it says nothing. Numbers are those of ITU-T H.273."""

from __future__ import annotations

from dataclasses import dataclass

import av
from av.video.format import VideoFormat
from av.video.reformatter import Colorspace

from seedvr2.errors import MediaError

# Matrices. The first three transfer functions and primaries of that number are the same standards.
RGB, BT709, UNSPECIFIED, RESERVED, FCC, BT470BG, SMPTE170M, SMPTE240M = range(8)
BT2020, BT2020_CL = 9, 10
PQ, HLG = 16, 18
LIMITED, FULL = 1, 2  # FFmpeg's numbers for the range

# The scaler's own numbers for the matrices that it knows.
SCALER_MATRICES = {
    BT709: Colorspace.ITU709,
    FCC: Colorspace.FCC,
    BT470BG: Colorspace.ITU601,
    SMPTE170M: Colorspace.ITU601,
    SMPTE240M: Colorspace.SMPTE240M,
    BT2020: Colorspace.BT2020,
    BT2020_CL: Colorspace.BT2020,
}
# The matrix that goes with primaries, where only these are given.
_MATRIX_OF_PRIMARIES = {1: BT709, 4: FCC, 5: BT470BG, 6: SMPTE170M, 7: SMPTE240M, 9: BT2020}
# Codecs whose specification says "limited" where the stream says nothing; other gray pictures are full range.
_LIMITED_GRAY = frozenset({"h264", "hevc", "av1", "vp9", "vp8", "vvc", "mpeg2video", "mpeg4", "prores", "dnxhd"})


@dataclass(frozen=True, slots=True)
class ColorTags:
    """How samples are to be read. `full`: the range is 0…255, not 16…235."""

    matrix: int = BT709
    primaries: int = BT709
    transfer: int = BT709
    full: bool = False

    @property
    def hdr(self) -> bool:
        """Whether the transfer function is one of high dynamic range."""
        return self.transfer in (PQ, HLG)


def read_tags(frame: av.VideoFrame, codec: str, name: str) -> ColorTags:
    """The tags of a decoded frame; what is missing follows from its primaries or its size, as players do it.

    Raises:
        MediaError: its matrix cannot be converted. The message calls the file `name`.
    """
    layout = frame.format
    matrix = int(frame.colorspace)
    if matrix in (RGB, UNSPECIFIED, RESERVED) or layout.is_rgb or layout.has_palette or is_gray(layout):
        by_size = BT709 if frame.width >= 1280 or frame.height > 576 else SMPTE170M
        matrix = _MATRIX_OF_PRIMARIES.get(int(frame.color_primaries), by_size)
    if matrix not in SCALER_MATRICES:
        raise MediaError(f"{name} uses a colour matrix that cannot be converted; convert it to BT.709 first.")
    return ColorTags(matrix, int(frame.color_primaries), int(frame.color_trc), _is_full(frame, codec))


def output_tags(source: ColorTags | None) -> ColorTags:
    """The tags to write for a source: its primaries and transfer where it states them, the matrix of HD or UHD.

    Primaries and transfer are kept because the RGB values are: only their coding as Y'CbCr changes.
    """
    if source is None:
        return ColorTags()
    unsaid = (RGB, UNSPECIFIED, RESERVED)
    return ColorTags(
        matrix=BT2020 if source.matrix in (BT2020, BT2020_CL) else BT709,
        primaries=BT709 if source.primaries in unsaid else source.primaries,
        transfer=BT709 if source.transfer in unsaid else source.transfer,
    )


def is_gray(layout: VideoFormat) -> bool:
    """Whether a layout has brightness only."""
    return not layout.has_palette and sum(not part.is_alpha for part in layout.components) == 1


def _is_full(frame: av.VideoFrame, codec: str) -> bool:
    layout = frame.format
    if layout.is_rgb or layout.has_palette or layout.name.startswith(("yuvj", "mono")):
        return True
    if int(frame.color_range) in (LIMITED, FULL):
        return int(frame.color_range) == FULL
    return is_gray(layout) and codec not in _LIMITED_GRAY
