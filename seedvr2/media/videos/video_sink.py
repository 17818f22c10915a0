"""Writing videos with PyAV: the source's times, sound, subtitles and chapters around newly coded pictures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet

from seedvr2.errors import MediaError
from seedvr2.media.atomic import PartFile
from seedvr2.media.carried.videos import VIDEO
from seedvr2.media.failures import writing
from seedvr2.media.info import Frame, Pixels
from seedvr2.media.sink import Sink
from seedvr2.media.source import Source
from seedvr2.media.videos.captions import CaptionWriter
from seedvr2.media.videos.color_tags import LIMITED, output_tags
from seedvr2.media.videos.colorspace import YuvWriter
from seedvr2.media.videos.encoders import MUXERS, choose_encoder, shortfalls
from seedvr2.media.videos.light import Light
from seedvr2.media.videos.remux import Remuxer
from seedvr2.media.videos.tracks import MUXER_OPTIONS
from seedvr2.media.videos.video_source import VideoSource

_DEFAULT_RATE = Fraction(25)
_MILLISECONDS = Fraction(1, 1000)
# x264 takes the rate as 32-bit numbers; the average of a long video with a variable one can need more.
_LARGEST_DENOMINATOR = 100_000


class VideoSink(Sink):
    """A video file in the making."""

    def __init__(self, target: Path, suffix: str, source: Source, width: int, height: int, codec: str = "h264") -> None:
        """Writes the header at once: what cannot work fails now and not after hours.

        Args:
            target: the file to make. suffix: one of `encoders.MUXERS`, whatever the target's own.
            source: where the frames come from: times, colours and the other tracks are taken over.
            width, height: of the images to come, both even.
            codec: `h264` or `hevc`, where the container holds either.

        Raises:
            MediaError: the target exists or cannot be written, or the container cannot hold the tracks.
        """
        super().__init__()
        self._part = PartFile(target)
        self._suffix = suffix
        self._remuxer: Remuxer | None = None
        self._container: OutputContainer | None = None
        self._size = (height, width)
        self._video_source = source if isinstance(source, VideoSource) else None
        light = self._video_source.light if self._video_source else Light()
        self._encoder = choose_encoder(suffix, source.info, codec, light)
        self.bit_depth = self._encoder.bit_depth
        self._origin = self._video_source.origin if self._video_source else Fraction(0)
        self._background = 255 if source.info.animation else 0
        hdr = self._video_source is not None and self._video_source.tags.hdr
        self._warnings.extend(shortfalls(self._encoder, source.info, hdr=hdr))
        self._frames = 0
        try:
            with writing(target.name):
                self._open(MUXERS[suffix], source)
        except BaseException:
            self.abort()
            raise

    @property
    def warnings(self) -> tuple[str, ...]:
        """See `Sink.warnings`."""
        lost = [VIDEO["captions"].left_out(self._suffix[1:])] if self._captions.lost else []
        return (*self._warnings, *(self._remuxer.warnings if self._remuxer else ()), *lost)

    def write(self, image: Pixels, frame: Frame) -> None:
        """See `Sink.write`. Where it cannot be kept, transparency is shown on black, that of an animation on white."""
        expected = np.uint16 if self.bit_depth == 16 else np.uint8
        if image.shape[:2] != self._size or image.dtype != expected:
            raise ValueError(f"expected {expected.__name__} of {self._size}, got {image.dtype} of {image.shape}")
        shown = flatten(image, self._background) if image.shape[2] == 4 and not self._encoder.alpha else image
        encoded = self._to_yuv(shown)
        encoded.time_base = frame.time_base
        encoded.pts = frame.pts - round(self._origin / frame.time_base)
        encoded.duration = frame.duration or 0
        self._captions.take(encoded.pts * encoded.time_base, frame.captions)
        self._frames += 1
        with writing(self._part.target.name):
            self._mux(self._video.encode(encoded))

    def close(self) -> None:
        """See `Sink.close`."""
        if self._container is None:
            return
        try:
            if not self._frames:
                raise MediaError(f"{self._part.target.name} was not written, as there were no frames for it.")
            with writing(self._part.target.name):
                self._mux(self._video.encode(None))
                if self._remuxer:
                    self._remuxer.copy_until(None)
                self._container.close()
                self._container = None
                if self._remuxer:
                    self._remuxer.complete(self._part.path)
            self._part.publish()
        finally:
            self.abort()

    def abort(self) -> None:
        """See `Sink.abort`."""
        if self._remuxer:
            self._remuxer.close()
        # The name goes first: closing an mp4 would move all of it, to put its index to the front.
        self._part.discard()
        if self._container is not None:
            container, self._container = self._container, None
            with suppress(av.FFmpegError, OSError, ValueError):
                container.close()

    def _open(self, muxer: str, source: Source) -> None:
        time_base = self._video_source.time_base if self._video_source else _MILLISECONDS
        options = dict(MUXER_OPTIONS)
        if muxer in ("mp4", "mov"):
            # The index goes to the front, so that a browser can start before it has the whole file. Edit lists, which
            # hold the delay of each track, count in milliseconds unless told otherwise.
            options |= {"movflags": "+faststart", "movie_timescale": str(_movie_timescale(time_base))}
        self._container = av.open(
            str(self._part.path.absolute()),
            "w",
            format=muxer,
            metadata_errors="surrogateescape",
            container_options=options,
        )
        self._add_video(self._container, source.info.fps or _DEFAULT_RATE, time_base)
        if self._video_source:
            index = self._video_source.stream_index
            self._remuxer = Remuxer(
                self._video_source.path,
                index,
                self._container,
                self._origin,
                self._video_source.side_data,
                upright=self._video_source.upright,
            )
        self._container.start_encoding()

    def _add_video(self, container: OutputContainer, rate: Fraction, time_base: Fraction) -> None:
        tags = output_tags(self._video_source.tags if self._video_source else None)
        height, width = self._size
        encoder = self._encoder
        stream: Any = container.add_stream(
            encoder.codec, rate=rate.limit_denominator(_LARGEST_DENOMINATOR), options=dict(encoder.options)
        )
        stream.width, stream.height, stream.pix_fmt = width, height, encoder.layout
        context = stream.codec_context
        if encoder.tag and container.format.name == "mp4":
            context.codec_tag = encoder.tag
        context.time_base = time_base
        context.sample_aspect_ratio = Fraction(1)
        context.color_range, context.colorspace = LIMITED, tags.matrix
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        # Without it the last frame of a file lasts no time.
        context.flags |= Flags.frame_duration
        self._video, self._to_yuv = stream, YuvWriter(width, height, tags, encoder.layout)
        self._captions = CaptionWriter(context.codec.canonical_name)

    def _mux(self, packets: Sequence[Packet[Any]]) -> None:
        assert self._container is not None
        for packet in packets:
            if self._remuxer and packet.dts is not None:
                # Only as far as the video is: what is ahead of it would wait in memory.
                self._remuxer.copy_until(packet.dts * packet.time_base)
            self._container.mux_one(self._captions.with_captions(packet))


def _movie_timescale(time_base: Fraction) -> int:
    scale = time_base.denominator
    return scale * -(-1000 // scale)


def flatten(image: Pixels, background: int) -> Pixels:
    """(H, W, 3) of an (H, W, 4) image over a gray of `background` (0…255), in the image's own type."""
    peak = np.iinfo(image.dtype).max
    alpha = image[..., 3:].astype(np.float32) / peak
    shown = image[..., :3] * alpha + background / 255 * peak * (1 - alpha)
    return np.rint(shown).astype(image.dtype)
