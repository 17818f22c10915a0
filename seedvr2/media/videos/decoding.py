"""From packets to frames, past whatever is damaged."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import av
from av.codec.context import CodecContext, ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

# Errors of the demuxer, or of the decoder at the end, after which the rest of a file is given up.
_MAX_ERRORS = 100
# Packets that a decoder may hold: those it reorders, and one for each of its threads.
_MOST_HELD = 256
# FFmpeg's own decoders of these leave the transparency aside.
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


class Decoder:
    """Iterates over the frames of packets, past damaged ones.

    Attributes:
        errors, corrupt, flagged: packets that could not be decoded, frames that came out incomplete, and packets that
            the container knows to be, so far.
    """

    def __init__(self, packets: Iterable[Packet[Any] | None], *, all_cores: bool = True, steady: bool = False) -> None:
        """`all_cores` is faster, but needs many packets before it gives the first frame.

        `steady`: on one core, which makes the same of damaged packets each time; several make what comes first. Where
        packets are from another stream than those before, these are decoded to their end.
        """
        self._packets = packets
        self._stream: Stream | None = None
        self._threads = ThreadType.AUTO if all_cores and not steady else ThreadType.SLICE
        self._steady = steady
        self.errors = 0
        self.corrupt = 0
        self.flagged = 0
        # Times of decoding of the packets that hold anything, as far as their frames may still come.
        self.fed: deque[int] = deque(maxlen=_MOST_HELD)

    @property
    def evidence(self) -> int:
        """How often something told of damage so far."""
        return self.errors + self.corrupt + self.flagged

    def __iter__(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets:
            if packet is None:
                self.errors += 1
                continue
            self.flagged += packet.is_corrupt
            if not packet.size:  # an empty one would end the decoder
                continue
            if packet.stream is not self._stream:
                yield from self._finish()
                self._begin(packet.stream)
            if packet.dts is not None:
                self.fed.append(packet.dts)
            yield from self._decode(packet)
        yield from self._finish()

    def _begin(self, stream: Stream) -> None:
        assert isinstance(stream, VideoStream)
        self._stream = stream
        self._context = _context(stream)
        self._context.thread_type = self._threads
        if self._steady:
            self._context.thread_count = 1

    def _finish(self) -> Iterator[av.VideoFrame]:
        if self._stream is not None:
            yield from self._decode(None)

    def _decode(self, packet: Packet[Any] | None) -> Iterator[av.VideoFrame]:
        # At the end each call takes one error out of the decoder's queue, and good frames may lie behind it.
        for _ in range(1 if packet is not None else _MAX_ERRORS):
            try:
                frames = self._context.decode(packet)
            except av.error.EOFError:
                return
            except av.error.MemoryError:
                raise
            except av.FFmpegError:
                self.errors += 1
                continue
            for frame in frames:
                self.corrupt += frame.is_corrupt
                yield frame
            return


def demux(container: InputContainer, streams: list[Any]) -> Iterator[Packet[Any] | None]:
    """The packets of the streams; None for each place at which the file is damaged.

    Raises:
        av.FFmpegError: the file could not be read, for a reason other than its content.
    """
    for _ in range(_MAX_ERRORS):
        try:
            yield from container.demux(streams)
            return
        except av.error.InvalidDataError:
            yield None
        except IndexError:
            # At the end of a file in which streams turned up on the way, PyAV looks for them among the first ones.
            return


def _context(stream: VideoStream) -> VideoCodecContext:
    name = _WITH_ALPHA.get(stream.codec_context.codec.canonical_name)
    if name is None or stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return stream.codec_context
    context = CodecContext.create(name, "r")
    assert isinstance(context, VideoCodecContext)
    return context
