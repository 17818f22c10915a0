"""Exact conversion between a codec's samples and full-range RGB.

It runs in FFmpeg's scaler with every property stated. Left to itself the scaler takes BT.601 for the matrix, repeats
the nearest chroma sample, and puts chroma midway between luma samples, where MPEG-1 had it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import av
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from numpy.typing import NDArray

from seedvr2.media.color_tags import LIMITED, MATRIX_NAMES, UNSPECIFIED, ColorTags, is_gray, read_tags
from seedvr2.media.info import Pixels

# Measured: with these, 8-bit results are the exact ones rounded; without them, up to 3 of 255 levels off.
_EXACT = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
# These decoders say where chroma lies; the others leave it open, and everybody means "left" then.
_SITING_TOLD = frozenset(
    {"h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "mjpeg", "h263", "dvvideo"}
)


class RgbReader:
    """Converts decoded frames to RGB arrays of one size and depth, whatever the stream changes on its way."""

    def __init__(self, codec: str, name: str, size: tuple[int, int], *, alpha: bool, deep: bool) -> None:
        """Frames come as (H, W, 3), or 4 with `alpha`; uint16 if `deep`, else uint8. `size`: W and H."""
        self._codec, self._name = codec, name
        self._size = size
        self._deep = deep
        self._layout = ("rgba64le" if alpha else "rgb48le") if deep else ("rgba" if alpha else "rgb24")
        self._graph: Graph | None = None
        self._made_for: tuple[object, ...] = ()
        self._curves: tuple[Pixels | None, Pixels | None] = (None, None)

    def __call__(self, frame: av.VideoFrame) -> Pixels:
        """The frame in RGB, not rotated.

        Raises:
            MediaError: its matrix cannot be converted.
        """
        tags = read_tags(frame, self._codec, self._name)
        made_for = (frame.format.name, frame.width, frame.height, tags.matrix, tags.full)
        if self._graph is None or made_for != self._made_for:
            self._graph, self._made_for = self._make(frame, tags), made_for
            self._curves = _curves(frame.format, full=tags.full, deep=self._deep)
        # Neither is converted here, and the scaler refuses some values of them.
        frame.color_primaries = frame.color_trc = UNSPECIFIED
        self._graph.push(frame)
        converted = self._graph.pull()
        assert isinstance(converted, av.VideoFrame)
        # A copy, since the scaler passes RGB frames through, and the decoder may still refer to them.
        return self._corrected(np.array(converted.to_ndarray()))

    def _make(self, frame: av.VideoFrame, tags: ColorTags) -> Graph:
        options = {
            "w": str(self._size[0]),
            "h": str(self._size[1]),
            "in_color_matrix": MATRIX_NAMES[tags.matrix],
            # Gray is taken for full range whatever is said here; `_curves` makes up for it.
            "in_range": "full" if tags.full or is_gray(frame.format) else "limited",
            "out_range": "full",
        }
        if self._codec not in _SITING_TOLD:
            options["in_chroma_loc"] = "left"
        return _scaler(frame.width, frame.height, frame.format.name, self._layout, options)

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
    """Converts RGB arrays to tagged 4:2:0 frames with limited range, chroma to the left as H.264 has it."""

    def __init__(self, width: int, height: int, tags: ColorTags) -> None:
        self._tags = tags
        options = {
            "out_color_matrix": MATRIX_NAMES[tags.matrix],
            "in_range": "full",
            "out_range": "limited",
            "out_chroma_loc": "left",
        }
        self._graph = _scaler(width, height, "rgb24", "yuv420p", options)

    def __call__(self, image: NDArray[np.uint8]) -> av.VideoFrame:
        """From (H, W, 3) uint8, H and W even."""
        self._graph.push(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24"))
        converted = self._graph.pull()
        assert isinstance(converted, av.VideoFrame)
        converted.colorspace, converted.color_range = self._tags.matrix, LIMITED
        converted.color_primaries, converted.color_trc = self._tags.primaries, self._tags.transfer
        return converted


def _scaler(width: int, height: int, source: str, target: str, options: Mapping[str, str]) -> Graph:
    graph = Graph()
    entry = graph.add_buffer(
        width=width, height=height, format=VideoFormat(source), time_base=Fraction(1, av.time_base)
    )
    scale = graph.add("scale", flags=_EXACT, **options)
    layout = graph.add("format", target)
    graph.link_nodes(entry, scale, layout, graph.add("buffersink"))
    graph.configure()
    return graph


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


def _table(values: NDArray[np.float64], peak: int) -> Pixels:
    table: Pixels = np.rint(values.clip(0, 1) * peak).astype(np.uint8 if peak == 255 else np.uint16)
    return table
