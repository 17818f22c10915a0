"""The file of a video in the making: its container, the source's other tracks, and how it takes its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet

from seedvr2.coding.wish import Wish
from seedvr2.errors import MediaError
from seedvr2.media.atomic import PartFile
from seedvr2.media.failures import writing
from seedvr2.media.source import Source
from seedvr2.media.videos.encoders import MUXERS, Encoder, shortfalls
from seedvr2.media.videos.frame_coder import FrameCoder, coding_options, coding_rate, encoder_of
from seedvr2.media.videos.remux import Remuxer
from seedvr2.media.videos.scheduling import keeping_priority
from seedvr2.media.videos.tracks import MUXER_OPTIONS
from seedvr2.media.videos.video_source import VideoSource


class ResultFile:
    """Takes packets of the video, and adds the source's times, sound, subtitles, chapters and tags.

    Attributes:
        coder: of the frames; whoever has packets already asks it for nothing but its headers.
    """

    coder: FrameCoder

    def __init__(
        self, target: Path, suffix: str, source: Source, width: int, height: int, wish: Wish | None = None
    ) -> None:
        """Writes the header at once: what cannot work fails now and not after hours.

        Args:
            target: the file to make. suffix: one of `encoders.MUXERS`, whatever the target's own.
            source: where the frames come from: times, colours and the other tracks are taken over.
            width, height: of the images to come, both even.
            wish: what was asked of the coding; nothing where None.

        Raises:
            MediaError: the target exists or cannot be written, or the container cannot hold the tracks.
            OptionError: the encoder does not take pictures of that size.
        """
        encoder = encoder_of(suffix, source, (width, height), wish or Wish())
        self._part = PartFile(target)
        self._remuxer: Remuxer | None = None
        self._container: OutputContainer | None = None
        try:
            with writing(target.name):
                self._open(suffix, source, width, height, encoder)
        except BaseException:
            self.abort()
            raise
        hdr = isinstance(source, VideoSource) and source.tags.hdr
        self._shortfalls = tuple(shortfalls(encoder, source.info, wish or Wish(), hdr=hdr))

    @property
    def name(self) -> str:
        """Of the file to be."""
        return self._part.target.name

    @property
    def is_open(self) -> bool:
        """Whether it is neither complete nor given up."""
        return self._container is not None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what of the source could not be kept."""
        return (*self._shortfalls, *(self._remuxer.warnings if self._remuxer else ()))

    def mux(self, packets: Sequence[Packet[Any]]) -> None:
        """Add packets of the video, in the order of decoding.

        Raises:
            MediaError: they cannot be written. MachineError: the disk refuses.
        """
        assert self._container is not None
        with writing(self.name):
            for packet in packets:
                if self._remuxer and packet.dts is not None:
                    # Only as far as the video is: what is ahead of it would wait in memory.
                    self._remuxer.copy_until(packet.dts * packet.time_base)
                packet.stream = self._video
                self._container.mux_one(packet)

    def complete(self, finished: Callable[[Path], None] = lambda _part: None) -> None:
        """Finish the file and publish it under its name. Errors as for `mux`; nothing is left behind then.

        `finished` gets the whole file just before it takes its name.
        """
        if self._container is None:
            return
        try:
            with writing(self.name):
                if self._remuxer:
                    self._remuxer.copy_until(None)
                self._container.close()
                self._container = None
                if self._remuxer:
                    self._remuxer.complete(self._part.path)
                finished(self._part.path)
            self._part.publish()
        finally:
            self.abort()

    def refuse_empty(self) -> MediaError:
        """What is to be raised where there were no frames."""
        return MediaError(f"{self.name} was not written, as there were no frames for it.")

    def abort(self) -> None:
        """Leave nothing behind. May follow anything, also `complete`, after which it does nothing."""
        if self._remuxer:
            self._remuxer.close()
        # The name goes first: closing an mp4 would move all of it, to put its index to the front.
        self._part.discard()
        if self._container is not None:
            container, self._container = self._container, None
            with suppress(av.FFmpegError, OSError, ValueError):
                container.close()

    def _open(self, suffix: str, source: Source, width: int, height: int, encoder: Encoder) -> None:
        muxer = MUXERS[suffix]
        video = source if isinstance(source, VideoSource) else None
        options = dict(MUXER_OPTIONS)
        if muxer in ("mp4", "mov"):
            # The index goes to the front, so that a browser can start before it has the whole file. Edit lists, which
            # hold the delay of each track, count in milliseconds unless told otherwise.
            scale = _movie_timescale(video.time_base if video else Fraction(1, 1000))
            options |= {"movflags": "+faststart", "movie_timescale": str(scale)}
        self._container = av.open(
            str(self._part.path.absolute()),
            "w",
            format=muxer,
            metadata_errors="surrogateescape",
            container_options=options,
        )
        stream: Any = self._container.add_stream(
            encoder.codec, rate=coding_rate(source), options=coding_options(encoder)
        )
        tag = encoder.tag if muxer in ("mp4", "mov") else ""
        self.coder = FrameCoder(self.name, stream.codec_context, encoder, source, width, height, tag)
        self._video = stream
        if video:
            self._remuxer = Remuxer(
                video.path,
                video.stream_index,
                self._container,
                self.coder.origin,
                video.side_data,
                upright=video.upright,
            )
        with keeping_priority():
            self._container.start_encoding()


def _movie_timescale(time_base: Fraction) -> int:
    scale = time_base.denominator
    return scale * -(-1000 // scale)
