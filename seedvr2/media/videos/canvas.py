"""One canvas for all frames of a video, whatever their sizes and shapes: the first one's.

A frame of another shape is fitted into it between black bars, never stretched.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.filter import Graph

from seedvr2.media.info import Pixels
from seedvr2.media.orientation import Orientation

Size = tuple[int, int]

# Bars thinner than this share of the canvas are nothing but rounding.
_SLIVER = Fraction(1, 100)
_METER = 1000  # the meter's picture is this wide for square pixels
# Formats that say nothing of the shape of pixels, so that only the frames do.
_SAY_NOTHING = frozenset(
    {"mpegts", "mpeg", "mpegvideo", "h264", "hevc", "vvc", "vc1", "m4v", "cavsvideo", "dirac", "obu"}
)
_SANE_ASPECT = 10  # a pixel that is wider or taller than this is a mistake of the file


@dataclass(frozen=True, slots=True)
class Look:
    """How a frame is to be shown: its stored size, the shape of its pixels (width over height), how it is turned."""

    size: Size
    aspect: Fraction
    orientation: Orientation

    @property
    def shown(self) -> tuple[Fraction, Fraction]:
        """Width and height when it is upright and its pixels are square."""
        wide, high = self.size[0] * self.aspect, Fraction(self.size[1])
        return (high, wide) if self.orientation.transpose else (wide, high)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame goes.

    `size` is what its stored picture is brought to before it is turned; `left` and `top` are those of the upright
    picture on the canvas. `barred`: it does not fill the canvas.
    """

    size: Size
    left: int
    top: int
    barred: bool


class Canvas:
    """Upright, with pixels of the first frame's shape. `size`: width and height in such pixels."""

    def __init__(self, first: Look) -> None:
        self._first = first
        self.size = first.orientation.size(*first.size)

    def place(self, look: Look) -> Place:
        """Where a frame that looks like this goes."""
        if look == self._first:
            return Place(look.size, 0, 0, barred=False)
        wide, high = (own / whole for own, whole in zip(look.shown, self._first.shown, strict=True))
        largest = max(wide, high)
        width, height = (
            whole if own >= largest * (1 - _SLIVER) else max(1, round(whole * own / largest))
            for own, whole in zip((wide, high), self.size, strict=True)
        )
        left, top = (self.size[0] - width) // 2, (self.size[1] - height) // 2
        return Place(look.orientation.size(width, height), left, top, barred=(width, height) != self.size)

    def draw(self, image: Pixels, place: Place) -> Pixels:
        """An upright picture, already of the size of its place, between bars; transparent ones if it can be."""
        if not place.barred:
            return image
        drawn = np.zeros((self.size[1], self.size[0], image.shape[2]), image.dtype)
        height, width = image.shape[:2]
        drawn[place.top : place.top + height, place.left : place.left + width] = image
        return drawn


class PixelShapes:
    """The shape of each frame's pixels: the container's word where it has one, else the frame's own.

    Attributes:
        first: the shape of the first frame's pixels.
        claimed: a shape of the first frame that is taken for a mistake; None if it is sane.
    """

    def __init__(self, container_format: str, stated: Fraction | None, first: av.VideoFrame) -> None:
        """`stated`: what FFmpeg makes of the container's word and the stream's; the container's comes first."""
        self._meter = _Meter()
        self._coded = self._meter(first)
        own = container_format in _SAY_NOTHING
        near = abs((stated or Fraction(1)) - self._coded) <= Fraction(2, _METER)
        # Where the container says something else than the stream, it means all of the stream.
        self._varies = own or near
        aspect = self._coded if own and not near else stated or Fraction(1)
        self.claimed = None if _sane(aspect) else aspect
        self.first = aspect if _sane(aspect) else Fraction(1)

    def __call__(self, frame: av.VideoFrame) -> Fraction:
        """Width over height of a frame's pixels."""
        if not self._varies:
            return self.first
        coded = self._meter(frame)
        if coded == self._coded or not _sane(coded):
            return self.first
        return coded


class _Meter:
    """Measures the shape of a frame's pixels, which PyAV does not tell: FFmpeg's scaler makes a picture that wide."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._made_for: tuple[object, ...] = ()

    def __call__(self, frame: av.VideoFrame) -> Fraction:
        made_for = (frame.width, frame.height, frame.format.name)
        if self._graph is None or made_for != self._made_for:
            self._graph, self._made_for = self._built(frame), made_for
        self._graph.push(frame)
        return Fraction(self._graph.vpull().width, _METER)

    @staticmethod
    def _built(frame: av.VideoFrame) -> Graph:
        graph = Graph()
        entry = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, av.time_base)
        )
        # A corner of the picture is enough, and costs nothing.
        corner = graph.add("crop", w="min(16,iw)", h="min(16,ih)", x="0", y="0", exact="1")
        widest = 2 * _SANE_ASPECT * _METER
        ruler = graph.add("scale", w=f"max(2,min({widest},round({_METER}*sar)))", h="2", eval="frame")
        graph.link_nodes(entry, corner, ruler, graph.add("buffersink"))
        graph.configure()
        return graph


def _sane(aspect: Fraction) -> bool:
    return Fraction(1, _SANE_ASPECT) < aspect < _SANE_ASPECT
