"""Frames of two fields, taken half a frame apart, made whole: FFmpeg's bwdif, one frame of each pair of fields."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
from av.filter import Graph
from av.video.stream import VideoStream

DONE = "The video is interlaced; it was deinterlaced (bwdif): one frame of each pair of fields."
LEFT = "The video is interlaced, and was left so, as deinterlace = off asks."

# FFmpeg's orders of fields: what is first on the screen. 0 and 1 are unknown and progressive.
_TOP_FIRST, _BOTTOM_FIRST = (2, 5), (3, 4)
# These decoders say of each frame whether it is interlaced; of the others only the container knows.
_TOLD_BY_FRAME = frozenset({"h264", "hevc", "vvc", "mpeg2video", "mpeg4", "vc1", "dvvideo", "prores", "dnxhd", "mjpeg"})


class Deinterlacer:
    """Passes progressive frames on as they are.

    Attributes:
        found: whether a frame was interlaced so far.
        telling: a sentence on what becomes of interlaced frames.
    """

    def __init__(self, stream: VideoStream, codec: str, *, idle: bool = False) -> None:
        """`codec`: its name, as `codec_name` gives it. `idle`: pass all frames on as they are."""
        self._idle = idle
        self.telling = LEFT if idle else DONE
        order = stream.codec_context.field_order
        self._order = ""
        if codec not in _TOLD_BY_FRAME:
            self._order = "tff" if order in _TOP_FIRST else "bff" if order in _BOTTOM_FIRST else ""
        self._graph: Graph | None = None
        self._made_for: tuple[object, ...] = ()
        self._waiting: deque[av.VideoFrame] = deque()
        self._only: av.VideoFrame | None = None  # what the filter has, where it has one frame
        self.found = False

    def interlaced(self, frame: av.VideoFrame) -> bool:
        """Whether a frame is of two fields."""
        return bool(self._order) or frame.interlaced_frame

    def __call__(self, frames: Iterable[av.VideoFrame]) -> Iterator[tuple[av.VideoFrame, av.VideoFrame]]:
        """Each frame as it was decoded, whose times count, and its picture."""
        for frame in frames:
            interlaced = self.interlaced(frame)
            self.found = self.found or interlaced
            made_for = (frame.width, frame.height, frame.format.name)
            if self._graph is not None and made_for != self._made_for:
                yield from self._finish()
            if self._graph is None:
                if not interlaced or self._idle:
                    yield frame, frame
                    continue
                self._graph, self._made_for = self._built(frame), made_for
                self._only = frame
            else:
                self._only = None
            self._waiting.append(frame)
            self._graph.push(frame)
            yield from self._ready()
        yield from self._finish()

    def _ready(self) -> Iterator[tuple[av.VideoFrame, av.VideoFrame]]:
        while self._graph is not None and self._waiting:
            try:
                picture = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield self._waiting.popleft(), picture

    def _finish(self) -> Iterator[tuple[av.VideoFrame, av.VideoFrame]]:
        """What the filter holds back to look ahead."""
        if self._graph is None:
            return
        if self._only is not None:
            # A frame without a neighbour would come back as it was.
            self._graph.push(self._only)
        self._graph.push(None)
        yield from self._ready()
        self._graph = None

    def _built(self, frame: av.VideoFrame) -> Graph:
        graph = Graph()
        entry = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, av.time_base)
        )
        marked = [graph.add("setfield", mode=self._order)] if self._order else []
        filtered = graph.add("bwdif", mode="send_frame", parity="auto", deint="interlaced")
        graph.link_nodes(entry, *marked, filtered, graph.add("buffersink"))
        graph.configure()
        return graph
