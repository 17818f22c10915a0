"""One way through the frames of a video, as they are decoded: from the beginning, or from a place within."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from seedvr2.media.entry import Entry
from seedvr2.media.videos.decoding import Decoder
from seedvr2.media.videos.entries import entry_at
from seedvr2.media.videos.ordering import Ordered
from seedvr2.media.videos.packets import PacketReader
from seedvr2.media.videos.timing import Clock, declared_end

# Seconds after which a frame may be one whose time is damaged.
_PAUSE = 2


class DecodedFrames:
    """The frames of a container in their order, once. To be closed.

    Attributes:
        frames: iterates over them. number: of the one that comes first.
        declared: the tick at which the video should end, or None.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, packets: PacketReader, clock: Clock, *, steady: bool
    ) -> None:
        """`clock`: for the times of these frames. `steady`: as for `Decoder`."""
        self._container = container
        self.stream, self.packets, self.clock, self.steady = stream, packets, clock, steady
        # Now, as FFmpeg has other ideas of the beginning once it has read on.
        self.declared = declared_end(container, stream)
        self.decoder = Decoder(packets.packets(), steady=steady)
        self.ordered = Ordered(self.decoder, clock.step, _PAUSE * clock.second, lambda: self.decoder.evidence > 0)
        # Where packets are counted, the frames' own times say nothing.
        self.frames: Iterator[av.VideoFrame] = iter(self.decoder if clock.by_packets else self.ordered)
        self.number = 0

    @property
    def evidence(self) -> int:
        """How often something told of damage so far."""
        return self.decoder.evidence + self.ordered.dropped + self.packets.skipped

    def enter(self, begin: Entry, proof: Entry) -> bool:
        """Begin with `proof` instead of the first frame, reached from `begin`. False if that does not lead there.

        Then this is of no more use, but for closing.
        """
        try:
            self._container.seek(begin.pts, stream=self.stream)
            for frame in self.frames:
                if frame.pts is None or frame.pts > begin.pts:
                    return False
                if frame.pts == begin.pts:
                    break
            for number, frame in enumerate(self.frames, begin.number + 1):
                if number == proof.number:
                    self.frames, self.number = _again(frame, self.frames), number
                    return entry_at(number, frame) == proof and not self.evidence
        except av.FFmpegError:
            return False
        return False

    def search(self, pts: int) -> None:
        """Begin with a frame that can be decoded by itself, at or before a tick, as well as the file knows it.

        To be called first of all. What cannot be searched is read from its beginning; numbers count from where it is.
        """
        with suppress(av.FFmpegError):
            self._container.seek(pts, stream=self.stream)

    def close(self) -> None:
        """Close the container."""
        self._container.close()


def _again(frame: av.VideoFrame, rest: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    yield frame
    yield from rest
