"""Reading videos with PyAV: one frame at a time, with exact timestamps, upright, in RGB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from seedvr2.errors import MediaError
from seedvr2.media.carried.encryption import is_protected
from seedvr2.media.failures import reading, too_large
from seedvr2.media.info import MAX_PIXELS, Frame, MediaInfo
from seedvr2.media.need import check_room, video_need
from seedvr2.media.orientation import Orientation, display_orientation
from seedvr2.media.source import Source
from seedvr2.media.videos.color_tags import ColorTags, read_tags
from seedvr2.media.videos.colorspace import RgbReader
from seedvr2.media.videos.container import moving_tracks, open_container, pick_video
from seedvr2.media.videos.decoding import Decoder
from seedvr2.media.videos.side_data import captions, side_data
from seedvr2.media.videos.timing import Clock, declared_end, estimate_frames, origin, stream_duration
from seedvr2.media.videos.video_tags import bit_depth, codec_name, has_alpha, picture_warnings

_SANE_ASPECT = 10  # a pixel that is wider or taller than this is a mistake of the file


class VideoSource(Source):
    """A video file.

    Attributes:
        stream_index: of the video stream in the container.
        time_base: unit of the frames' `pts`, in seconds.
        origin: the time of the file that is zero in a result made of it, in seconds.
        tags: how the first frame's colours are stored.
        side_data: what the first frame carries beside its samples, see `side_data.py`.
    """

    def __init__(self, path: Path) -> None:
        """Reads the headers and decodes the first frame.

        Raises:
            MediaError: there is no video in the file, or none of it can be decoded.
        """
        super().__init__(path)
        with reading(path), open_container(path) as container:
            tracks = moving_tracks(container)
            if tracks and all(is_protected(path, track.id, track.index) for track in tracks):
                raise MediaError(f"{path.name} is protected (encrypted); give a file that plays without a key.")
            stream = pick_video(container, path.name)
            self.stream_index = stream.index
            self.time_base = stream.time_base or Fraction(1, av.time_base)
            self.origin = origin(container, stream)
            self._codec = codec_name(stream)
            check_room(path.name, video_need(stream.codec_context.width, stream.codec_context.height))
            first = next(iter(Decoder(container, stream, all_cores=False)), None)
            if first is None:
                raise MediaError(_nothing_in(path.name))
            if first.width * first.height > MAX_PIXELS:
                raise MediaError(too_large(path.name))
            self.tags: ColorTags = read_tags(first, self._codec, path.name)
            self._size = (first.width, first.height)
            self.side_data = side_data(first)
            matrix = self.side_data.get("DISPLAYMATRIX")
            self._orientation = display_orientation(matrix) if matrix else Orientation()
            self.info = self._describe(container, stream, first)

    @property
    def upright(self) -> bool:
        """Whether frames come as they are stored, not turned."""
        return self._orientation == Orientation()

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`. Damaged parts are left out, with a warning at the end."""
        name = self.path.name
        deep, alpha = self.info.bit_depth > 8, self.info.has_alpha
        with reading(self.path), open_container(self.path) as container:
            stream = pick_video(container, name)
            clock = Clock(self.time_base, self.info.fps, by_packets=self.info.format == "avi")
            to_rgb = RgbReader(self._codec, name, self._size, alpha=alpha, deep=deep)
            last: Frame | None = None
            resized = False
            decoder = Decoder(container, stream)
            for decoded in decoder:
                resized = resized or (decoded.width, decoded.height) != self._size
                pts = clock.stamp(decoded.pts, decoded.dts, decoded.duration)
                if last is not None:
                    # Containers tell how long a packet lasts in the order of decoding, which is another.
                    yield replace(last, duration=pts - last.pts)
                image = self._orientation.apply(to_rgb(decoded))
                last = Frame(image, pts, self.time_base, decoded.duration or None, captions(decoded))
            if last is not None:
                yield last
            end = last.pts + (last.duration or 0) if last is not None else None
            self._found = list(self._report(decoder, clock, resized, end, declared_end(container, stream)))
        if end is None:
            raise MediaError(_nothing_in(name))

    def _describe(self, container: InputContainer, stream: VideoStream, first: av.VideoFrame) -> MediaInfo:
        warnings = list(picture_warnings(container, stream, first, self.tags))
        aspect = stream.sample_aspect_ratio or Fraction(1)
        if not Fraction(1, _SANE_ASPECT) < aspect < _SANE_ASPECT:
            warnings.append(f"The file claims pixels of the shape {aspect}, which is taken for a mistake.")
            aspect = Fraction(1)
        width, height = self._orientation.size(max(1, round(first.width * aspect)), first.height)
        seconds = stream_duration(container, stream)
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate
        return MediaInfo(
            kind="video",
            width=width,
            height=height,
            frames=estimate_frames(stream, rate, seconds),
            fps=Fraction(rate) if rate else None,
            duration_s=float(seconds) if seconds is not None else None,
            has_alpha=has_alpha(first.format),
            bit_depth=bit_depth(first.format),
            codec=self._codec,
            format=container.format.name.split(",")[0],
            audio_codecs=tuple(codec_name(audio) for audio in container.streams.audio),
            warnings=tuple(warnings),
        )

    def _report(
        self, decoder: Decoder, clock: Clock, resized: bool, end: int | None, declared: int | None
    ) -> Iterator[str]:
        """What came to light while decoding; `end` and `declared` are ticks."""
        if decoder.errors:
            yield f"The file is damaged: {_counted(decoder.errors, 'packet')} could not be decoded and were left out."
        if decoder.corrupt:
            yield f"The file is damaged: {_counted(decoder.corrupt, 'frame')} came out incomplete."
        if clock.moved:
            yield f"The times of {_counted(clock.moved, 'frame')} were not in order and had to be moved."
        if resized:
            yield "The frame size changes within the video; all frames were brought to the first one's."
        if end is not None and declared is not None:
            missing, span = (declared - end) * self.time_base, declared * self.time_base
            if missing > max(Fraction(1, 2), span / 50):
                shown = f"{float(end * self.time_base):.1f} of {float(span):.1f} seconds"
                yield f"The video ends after {shown}: the file is cut off or damaged."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _nothing_in(name: str) -> str:
    return f"{name} holds no frame that can be decoded; check that it is whole and undamaged."
