"""A stretch of a result, coded by itself, in a file that waits for the others."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from seedvr2.coding.wish import Wish
from seedvr2.media.failures import writing
from seedvr2.media.info import Frame, Pixels
from seedvr2.media.sink import Sink
from seedvr2.media.source import Source
from seedvr2.media.videos.frame_coder import FrameCoder, encoder_of, free_context
from seedvr2.media.videos.packet_file import PacketWriter, Stretch
from seedvr2.media.videos.scheduling import keeping_priority


class SegmentSink(Sink):
    """Codes frames into a file of packets, which is there from the first frame on; its end is for others to record."""

    def __init__(
        self,
        target: Path,
        suffix: str,
        source: Source,
        width: int,
        height: int,
        wish: Wish | None = None,
        name: str = "",
    ) -> None:
        """Arguments as for `ResultFile`; `suffix` is that of the result, and `name` its name, for messages.

        Raises:
            MediaError, MachineError: the file cannot be written.
        """
        super().__init__()
        self._path, self._name = target, name or target.name
        encoder = encoder_of(suffix, source, (width, height), wish or Wish())
        with writing(self._name):
            context = free_context(encoder, source)
            self._coder = FrameCoder(self._name, context, encoder, source, width, height)
            with keeping_priority():
                context.open()
            self._file: BinaryIO = target.open("wb")
            try:
                assert context.time_base is not None
                stretch = Stretch(Fraction(context.time_base), context.extradata or b"")
                self._writer = PacketWriter(self._file, stretch)
            except BaseException:
                self.abort()
                raise
        self.bit_depth = self._coder.bit_depth
        self.frames = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """See `Sink.warnings`."""
        return (*self._warnings, *self._coder.warnings)

    def write(self, image: Pixels, frame: Frame) -> None:
        """See `Sink.write`."""
        packets = self._coder.code(image, frame)
        self.frames += 1
        with writing(self._name):
            self._writer.add(packets)

    def close(self) -> None:
        """See `Sink.close`; the file stays where it was begun."""
        try:
            packets = self._coder.finish()
            with writing(self._name):
                self._writer.add(packets)
                self._file.close()
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """See `Sink.abort`."""
        if not self._file.closed:
            # What it buffers may not go onto a full disk.
            with suppress(OSError):
                self._file.close()
            self._path.unlink(missing_ok=True)
