"""Exact conversion between a codec's samples and full-range RGB.

It is done by FFmpeg's scaler with every property stated. Left to itself the scaler takes BT.601 for the matrix, repeats
the nearest chroma sample, and puts chroma midway between luma samples, where MPEG-1 had it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from seedvr2.media.info import Pixels
from seedvr2.media.videos.color_tags import BT709, BT2020, FULL, LIMITED, SCALER_MATRICES, ColorTags, is_gray, read_tags

# Measured: with these, 8-bit results are the exact ones rounded; without them, up to 3 of 255 levels off.
_EXACT = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
_EXACT_NAMES = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
_OUTPUT_MATRICES = {BT709: "bt709", BT2020: "bt2020"}
# These decoders say where chroma lies; the others leave it open, and everybody means "left" then.
_SITING_TOLD = {"h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "mjpeg", "h263", "dvvideo"}
# So do still pictures, or mean the middle, where the scaler puts it.
_SITING_TOLD |= {"avif"}


class RgbReader:
    """Converts decoded frames to RGB arrays of one depth, whatever the stream changes on its way."""

    def __init__(self, codec: str, name: str, *, alpha: bool, deep: bool) -> None:
        """Frames come as (H, W, 3), or 4 with `alpha`; uint16 if `deep`, else uint8."""
        self._codec, self._name = codec, name
        self._deep = deep
        self._layout = ("rgba64le" if alpha else "rgb48le") if deep else ("rgba" if alpha else "rgb24")
        self._scaler = VideoReformatter()
        self._siting: Graph | None = None
        self._made_for: tuple[object, ...] = ()
        self._curves: tuple[Pixels | None, Pixels | None] = (None, None)

    def __call__(self, frame: av.VideoFrame, size: tuple[int, int]) -> Pixels:
        """The frame in RGB, of `size` W and H, not rotated.

        Raises:
            MediaError: its matrix cannot be converted.
        """
        tags = read_tags(frame, self._codec, self._name)
        made_for = (frame.format.name, frame.width, frame.height, tags.full)
        if made_for != self._made_for:
            self._made_for = made_for
            self._siting = None if self._codec in _SITING_TOLD else _left_siting(frame)
            self._curves = _curves(frame.format, full=tags.full, deep=self._deep)
        matrix = SCALER_MATRICES[tags.matrix]
        converted = self._scaler.reformat(
            _through(self._siting, frame) if self._siting else frame,
            width=size[0],
            height=size[1],
            format=self._layout,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            # Gray is taken for full range whatever is said here; `_curves` makes up for it.
            src_color_range=FULL if tags.full or is_gray(frame.format) else LIMITED,
            dst_color_range=FULL,
            interpolation=_EXACT,
        )
        # A copy, since RGB frames come back as they are, and the decoder may still refer to them.
        return self._corrected(np.array(converted.to_ndarray()))

    def _corrected(self, image: Pixels) -> Pixels:
        color, alpha = self._curves
        if color is not None:
            if image.shape[2] == 3:
                return color[image]
            image[..., :3] = color[image[..., :3]]
        if alpha is not None and image.shape[2] == 4:
            image[..., 3] = alpha[image[..., 3]]
        return image


class YuvWriter:
    """Converts RGB arrays to tagged Y'CbCr frames with limited range, chroma to the left as H.264 has it.

    Attributes:
        range, matrix: of its frames, in FFmpeg's numbers.
    """

    def __init__(self, width: int, height: int, tags: ColorTags, layout: str = "yuv420p") -> None:
        """`tags`: those of `color_tags.output_tags`. `layout`: FFmpeg's name of the samples; with alpha or without."""
        self._tags = tags
        self.range, self.matrix = LIMITED, tags.matrix
        made = VideoFormat(layout)
        bits = max(part.bits for part in made.components)
        alpha = any(part.is_alpha for part in made.components)
        self._deep = bits > 8
        self._from = ("rgba64le" if alpha else "rgb48le") if self._deep else ("rgba" if alpha else "rgb24")
        # What the scaler takes for white: see `_curves`. Its alpha is merely shifted.
        codes = np.arange(65536.0) / 65535
        self._color, self._alpha = (_scaled(codes, white) for white in (65280, ((1 << bits) - 1) << (16 - bits)))
        self._graph = Graph()
        entry = self._graph.add_buffer(
            width=width, height=height, format=VideoFormat(self._from), time_base=Fraction(1, av.time_base)
        )
        scale = self._graph.add(
            "scale",
            flags=_EXACT_NAMES,
            out_color_matrix=_OUTPUT_MATRICES[tags.matrix],
            in_range="full",
            out_range="limited",
            out_chroma_loc="left",
        )
        self._graph.link_nodes(entry, scale, self._graph.add("format", layout), self._graph.add("buffersink"))
        self._graph.configure()

    def __call__(self, image: Pixels) -> av.VideoFrame:
        """From (H, W, 3), or 4 where the layout has alpha, uint8 or uint16; H and W even."""
        image = self._prepared(image) if self._deep else image
        stored: Any = np.ascontiguousarray(image)  # PyAV's types have no union of the two depths
        converted = _through(self._graph, av.VideoFrame.from_ndarray(stored, self._from))
        converted.colorspace, converted.color_range = self._tags.matrix, LIMITED
        converted.color_primaries, converted.color_trc = self._tags.primaries, self._tags.transfer
        return converted

    def _prepared(self, image: Pixels) -> Pixels:
        wide = image.astype(np.uint16) * 257 if image.dtype == np.uint8 else image
        if wide.shape[2] == 3:
            return self._color[wide]
        return np.concatenate([self._color[wide[..., :3]], self._alpha[wide[..., 3:]]], -1)


def _left_siting(frame: av.VideoFrame) -> Graph:
    """Says of frames like this one that their chroma lies to the left; it touches no sample."""
    graph = Graph()
    entry = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, av.time_base)
    )
    graph.link_nodes(entry, graph.add("setparams", chroma_location="left"), graph.add("buffersink"))
    graph.configure()
    return graph


def _through(graph: Graph, frame: av.VideoFrame) -> av.VideoFrame:
    graph.push(frame)
    result = graph.pull()
    assert isinstance(result, av.VideoFrame)
    return result


def _curves(layout: VideoFormat, *, full: bool, deep: bool) -> tuple[Pixels | None, Pixels | None]:
    """What brings the scaler's colour and alpha samples to the full range exactly; None where they are right.

    Measured: from Y'CbCr and gray, its 16-bit white is 255 * 256 (limited range) or the stored white shifted up (full
    range) and not 65535; and limited gray is not expanded at all.
    """
    bits = max(part.bits for part in layout.components)
    if layout.is_rgb or layout.has_palette or bits == 1:
        return None, None
    gray = is_gray(layout) and not full
    if not deep:
        return (_table((np.arange(256.0) - 16) / 219, 255) if gray else None), None
    codes = np.arange(65536.0)
    white = ((1 << bits) - 1) << (16 - bits)
    color = (codes / 256 - 16) / 219 if gray else codes / (white if full else 65280)
    return _table(color, 65535), _table(codes / white, 65535)


def _scaled(codes: NDArray[np.float64], white: int) -> Pixels:
    return np.rint(codes * white).astype(np.uint16)


def _table(values: NDArray[np.float64], peak: int) -> Pixels:
    table: Pixels = np.rint(values.clip(0, 1) * peak).astype(np.uint8 if peak == 255 else np.uint16)
    return table
