"""Writing videos with PyAV: the source's times, sound, subtitles and chapters around newly coded pictures."""

from __future__ import annotations

from pathlib import Path

from seedvr2.coding.wish import Wish
from seedvr2.media.info import Frame, Pixels
from seedvr2.media.sink import Sink
from seedvr2.media.source import Source
from seedvr2.media.videos.result_file import ResultFile


class VideoSink(Sink):
    """A video file in the making, from its first frame to its last."""

    def __init__(
        self, target: Path, suffix: str, source: Source, width: int, height: int, wish: Wish | None = None
    ) -> None:
        """Arguments and errors as for `ResultFile`."""
        super().__init__()
        self._result = ResultFile(target, suffix, source, width, height, wish)
        self._coder = self._result.coder
        self.bit_depth = self._coder.bit_depth
        self._frames = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """See `Sink.warnings`."""
        return (*self._result.warnings, *self._warnings, *self._coder.warnings)

    def write(self, image: Pixels, frame: Frame) -> None:
        """See `Sink.write`. Where it cannot be kept, transparency is shown on black, that of an animation on white."""
        packets = self._coder.code(image, frame)
        self._frames += 1
        self._result.mux(packets)

    def close(self) -> None:
        """See `Sink.close`."""
        if not self._result.is_open:
            return
        try:
            if not self._frames:
                raise self._result.refuse_empty()
            self._result.mux(self._coder.finish())
            self._result.complete()
        finally:
            self.abort()

    def abort(self) -> None:
        """See `Sink.abort`."""
        self._result.abort()
