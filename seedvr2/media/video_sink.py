"""Writing videos with PyAV: H.264 that every browser plays, with the source's times, sound, subtitles and chapters."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np

from seedvr2.errors import MediaError
from seedvr2.media.atomic import PartFile
from seedvr2.media.colorspace import LIMITED, YuvWriter, output_tags
from seedvr2.media.failures import writing
from seedvr2.media.info import Frame, Pixels
from seedvr2.media.remux import Remuxer
from seedvr2.media.sink import Sink
from seedvr2.media.source import Source
from seedvr2.media.timing import origin
from seedvr2.media.video_source import VideoSource

_MUXER = {".mp4": "mp4", ".mkv": "matroska"}
_DEFAULT_RATE = Fraction(25)


class VideoSink(Sink):
    """A video file in the making."""

    bit_depth = 8

    def __init__(self, target: Path, suffix: str, source: Source, width: int, height: int) -> None:
        """Writes the header at once: what cannot work fails now and not after hours.

        Args:
            target: the file to make. suffix: `.mp4` or `.mkv`, whatever the target's own.
            source: where the frames come from: times, colours and the other tracks are taken over.
            width, height: of the images to come, both even.

        Raises:
            MediaError: the target exists or cannot be written, or the container cannot hold the tracks.
        """
        super().__init__()
        self._part = PartFile(target)
        self._remuxer: Remuxer | None = None
        self._container: av.container.OutputContainer | None = None
        self._size = (height, width)
        self._origin = Fraction(0)
        self._frames = 0
        try:
            with writing(target.name):
                self._open(suffix, source)
        except BaseException:
            self.abort()
            raise

    @property
    def warnings(self) -> tuple[str, ...]:
        """See `Sink.warnings`."""
        return (*self._warnings, *(self._remuxer.warnings if self._remuxer else ()))

    def write(self, image: Pixels, frame: Frame) -> None:
        """See `Sink.write`. Transparency is shown on black."""
        if image.shape[:2] != self._size or image.dtype != np.uint8:
            raise ValueError(f"expected uint8 of {self._size}, got {image.dtype} of {image.shape}")
        if image.shape[2] == 4:
            image = flatten(image, 0)
        encoded = self._to_yuv(image.astype(np.uint8, copy=False))
        encoded.time_base = frame.time_base
        encoded.pts = frame.pts - round(self._origin / frame.time_base)
        encoded.duration = frame.duration or 0
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
            self._part.publish()
        finally:
            self.abort()

    def abort(self) -> None:
        """See `Sink.abort`."""
        if self._remuxer:
            self._remuxer.close()
        # The name goes first: closing writes a trailer, in vain.
        self._part.discard()
        if self._container is not None:
            container, self._container = self._container, None
            with suppress(av.FFmpegError, OSError):
                container.close()

    def _open(self, suffix: str, source: Source) -> None:
        muxer = _MUXER[suffix]
        # The index goes to the front, so that a browser can start before it has the whole file.
        options = {"movflags": "+faststart"} if muxer == "mp4" else {}
        self._container = av.open(str(self._part.path), "w", format=muxer, container_options=options)
        height, width = self._size
        video = self._container.add_stream(
            "libx264", rate=source.info.fps or _DEFAULT_RATE, options={"crf": "18", "profile": "high"}
        )
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        context = video.codec_context
        tags = output_tags(source.tags if isinstance(source, VideoSource) else None)
        context.color_range, context.colorspace = LIMITED, tags.matrix
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        self._video, self._to_yuv = video, YuvWriter(tags)
        if isinstance(source, VideoSource):
            context.time_base = source.time_base
            with av.open(str(source.path)) as container:
                self._origin = origin(container)
            self._remuxer = Remuxer(source.path, source.stream_index, self._container, self._origin)
        self._container.start_encoding()

    def _mux(self, packets: list[av.Packet[av.VideoStream]]) -> None:
        assert self._container is not None
        for packet in packets:
            if self._remuxer and packet.dts is not None:
                self._remuxer.copy_until(packet.dts * packet.time_base)
            self._container.mux_one(packet)


def flatten(image: Pixels, background: int) -> Pixels:
    """(H, W, 3) of an (H, W, 4) image over a gray of `background` (0…255), in the image's own type."""
    peak = np.iinfo(image.dtype).max
    alpha = image[..., 3:].astype(np.float32) / peak
    shown = image[..., :3] * alpha + background / 255 * peak * (1 - alpha)
    return np.rint(shown).astype(image.dtype)
