"""Reading videos with PyAV: one frame at a time, with exact timestamps, upright, in RGB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.codec.context import ThreadType
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from seedvr2.errors import MediaError
from seedvr2.media.colorspace import ColorTags, RgbReader, read_tags
from seedvr2.media.failures import reading, too_large
from seedvr2.media.info import Frame, MediaInfo
from seedvr2.media.orientation import Orientation, display_orientation
from seedvr2.media.source import Source
from seedvr2.media.timing import Clock, declared_end, estimate_frames, stream_duration
from seedvr2.media.video_tags import bit_depth, codec_name, has_alpha, picture_warnings

MAX_PIXELS = 16384 * 16384
# Consecutive errors of the demuxer after which the rest of a file is given up.
_MAX_DEMUX_ERRORS = 100


class VideoSource(Source):
    """A video file.

    Attributes:
        stream_index: of the video stream in the container.
        time_base: unit of the frames' `pts`, in seconds.
        tags: how the first frame's colours are stored.
    """

    def __init__(self, path: Path) -> None:
        """Reads the headers and decodes the first frame.

        Raises:
            MediaError: there is no video in the file, or none of it can be decoded.
        """
        super().__init__(path)
        with reading(path.name), av.open(str(path)) as container:
            stream = pick_video(container, path.name)
            self.stream_index = stream.index
            self.time_base = stream.time_base or Fraction(1, 90000)
            self._codec = codec_name(stream)
            first = _first_frame(container, stream, path.name)
            self.tags: ColorTags = read_tags(first, self._codec, path.name)
            self._size = (first.width, first.height)
            self._orientation = _orientation(first)
            self._depth = bit_depth(first.format)
            self._alpha = has_alpha(first.format)
            self.info = self._describe(container, stream, first)

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`. Damaged parts are left out, with a warning at the end."""
        name = self.path.name
        with reading(name), av.open(str(self.path)) as container:
            stream = _select(container, self.stream_index)
            stream.thread_type = ThreadType.AUTO
            clock = Clock(self.time_base, stream.average_rate)
            to_rgb = RgbReader(self._codec, name)
            count, end, resized = 0, None, False
            decoder = _Decoder(container, stream)
            for decoded in decoder:
                resized = resized or (decoded.width, decoded.height) != self._size
                image = to_rgb(decoded, self._size, alpha=self._alpha, deep=self._depth > 8)
                pts, duration = clock.stamp(decoded.pts, decoded.duration)
                count, end = count + 1, pts + (duration or 0)
                yield Frame(self._orientation.apply(image), pts, self.time_base, duration)
            self._report(decoder, count, resized, end, declared_end(container, stream))
        if not count:
            raise MediaError(f"{name} holds no frame that can be decoded; check that it is whole and undamaged.")

    def _describe(self, container: av.container.InputContainer, stream: VideoStream, first: av.VideoFrame) -> MediaInfo:
        width, height = self._size
        if width * height > MAX_PIXELS:
            raise MediaError(too_large(self.path.name))
        aspect = stream.sample_aspect_ratio or Fraction(1)
        shown = self._orientation.size(max(1, round(width * aspect)) if aspect > 0 else width, height)
        seconds = stream_duration(container, stream)
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate
        return MediaInfo(
            kind="video",
            width=shown[0],
            height=shown[1],
            frames=estimate_frames(stream, rate, seconds),
            fps=Fraction(rate) if rate else None,
            duration_s=float(seconds) if seconds is not None else None,
            has_alpha=self._alpha,
            bit_depth=self._depth,
            codec=self._codec,
            format=container.format.name.split(",")[0],
            audio_codecs=tuple(codec_name(audio) for audio in container.streams.audio),
            warnings=tuple(picture_warnings(container, stream, first, self.tags)),
        )

    def _report(self, decoder: _Decoder, count: int, resized: bool, end: int | None, declared: int | None) -> None:
        self._found.clear()
        if decoder.errors:
            self._found.append(f"{decoder.errors} damaged packets were left out.")
        if decoder.corrupt:
            self._found.append(f"{decoder.corrupt} frames are damaged in the source.")
        if resized:
            self._found.append("The frame size changes within the video; all frames were brought to the first one's.")
        if end is not None and declared is not None:
            missing = (declared - end) * self.time_base
            span = declared * self.time_base
            if missing > max(Fraction(1, 10), span / 50) and missing > 2 * span / max(count, 1):
                self._found.append(
                    f"The video ends after {float(end * self.time_base):.1f} of {float(span):.1f} seconds: "
                    "the file is cut off or damaged."
                )


class _Decoder:
    """Iterates over the frames of a stream, past damaged packets. Counts `errors` and `corrupt` frames."""

    def __init__(self, container: av.container.InputContainer, stream: VideoStream) -> None:
        self._container = container
        self._stream = stream
        self.errors = 0
        self.corrupt = 0

    def __iter__(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets():
            # Each call takes one error out of the decoder's queue; a good frame may lie behind it.
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except (av.error.InvalidDataError, av.error.UndefinedError, av.error.PatchWelcomeError):
                self.errors += 1
                continue
            for frame in frames:
                self.corrupt += bool(frame.is_corrupt)
                yield frame

    def _packets(self) -> Iterator[av.Packet[VideoStream]]:
        for _ in range(_MAX_DEMUX_ERRORS):
            try:
                yield from self._container.demux(self._stream)
                return
            except av.error.InvalidDataError:
                self.errors += 1
        with suppress(av.FFmpegError):
            flush: av.Packet[VideoStream] = av.Packet()  # type: ignore[assignment]
            flush.stream = self._stream
            yield flush


def pick_video(container: av.container.InputContainer, name: str) -> VideoStream:
    """The video stream to work on: the default one, else the first. Cover art is not video.

    Raises:
        MediaError: there is none that can be decoded.
    """
    tracks = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not tracks:
        what = "only sound" if container.streams.audio else "no video"
        raise MediaError(f"{name} holds {what}; give a file with a picture or a video in it.")
    decodable = [stream for stream in tracks if stream.codec_context is not None]
    if not decodable:
        raise MediaError(f"{name} uses a video codec that cannot be decoded here; convert it to H.264 first.")
    return next((stream for stream in decodable if stream.disposition & Disposition.default), decodable[0])


def _select(container: av.container.InputContainer, index: int) -> VideoStream:
    """The stream at `index`; the demuxer is told to skip all others."""
    for stream in container.streams:
        if stream.index != index:
            stream.discard = Discard.all
    stream = container.streams[index]
    assert isinstance(stream, VideoStream)
    return stream


def _first_frame(container: av.container.InputContainer, stream: VideoStream, name: str) -> av.VideoFrame:
    # Frame threads would want many packets before they give the first frame.
    stream.thread_type = ThreadType.SLICE
    for frame in _Decoder(container, stream):
        return frame
    raise MediaError(f"{name} holds no frame that can be decoded; check that it is whole and undamaged.")


def _orientation(frame: av.VideoFrame) -> Orientation:
    entries: Any = frame.side_data  # typed as a dict, but it iterates over its values
    for entry in entries:
        if entry.type is SideDataType.DISPLAYMATRIX:
            return display_orientation(bytes(entry))
    return Orientation()
