"""Reading videos with PyAV: one frame at a time, with exact timestamps, upright, in RGB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from seedvr2.errors import MediaError
from seedvr2.media.carried.encryption import is_protected
from seedvr2.media.failures import reading, too_large
from seedvr2.media.info import MAX_PIXELS, Frame, MediaInfo, Pixels
from seedvr2.media.need import check_room, video_need
from seedvr2.media.orientation import Orientation, display_orientation
from seedvr2.media.source import Source
from seedvr2.media.thumbnail import SAMPLES, Thumbnail, averaged
from seedvr2.media.videos.canvas import Canvas, Look, PixelShapes
from seedvr2.media.videos.color_tags import ColorTags, read_tags
from seedvr2.media.videos.colorspace import RgbReader
from seedvr2.media.videos.container import moving_tracks, open_container, pick_video
from seedvr2.media.videos.cropping import stated_cropping
from seedvr2.media.videos.decoding import Decoder
from seedvr2.media.videos.deinterlacing import Deinterlacer
from seedvr2.media.videos.dolby_vision import check_dolby_vision
from seedvr2.media.videos.extent import measure
from seedvr2.media.videos.light import read_light
from seedvr2.media.videos.packets import PacketReader
from seedvr2.media.videos.side_data import captions, side_data
from seedvr2.media.videos.timing import Clock, declared_end, origin
from seedvr2.media.videos.video_tags import bit_depth, codec_name, has_alpha, picture_warnings


class VideoSource(Source):
    """A video file.

    Attributes:
        stream_index: of the video stream in the container.
        time_base: unit of the frames' `pts`, in seconds.
        origin: the time of the file that is zero in a result made of it, in seconds.
        tags: how the first frame's colours are stored.
        light: what the first frame states of its light.
        side_data: what the first frame carries beside its samples, see `side_data.py`.
    """

    def __init__(self, path: Path, *, deinterlace: bool = True) -> None:
        """Reads the headers and decodes the first frame. `deinterlace`: make interlaced frames whole.

        Raises:
            MediaError: there is no video in the file, or none of it can be decoded.
        """
        super().__init__(path)
        self._deinterlace = deinterlace
        with reading(path), open_container(path) as container:
            tracks = moving_tracks(container)
            if tracks and all(is_protected(path, track.id, track.index) for track in tracks):
                raise MediaError(f"{path.name} is protected (encrypted); give a file that plays without a key.")
            stream = pick_video(container, path.name)
            self.stream_index = stream.index
            self.time_base = stream.time_base or Fraction(1, av.time_base)
            self._codec = codec_name(stream)
            check_room(path.name, video_need(stream.codec_context.width, stream.codec_context.height))
            first = next(iter(Decoder(self._packets(container, stream).packets(), all_cores=False)), None)
            if first is None:
                raise MediaError(_nothing_in(path.name))
            if first.width * first.height > MAX_PIXELS:
                raise MediaError(too_large(path.name))
            self.tags: ColorTags = read_tags(first, self._codec, path.name)
            self.light = read_light(first)
            self._size = (first.width, first.height)
            self.side_data = side_data(first)
            shown = first.pts * self.time_base if first.pts is not None else None
            self.origin = origin(container, stream, shown)
            self._extent = measure(path, container, stream)
            form = container.format.name.split(",")[0]
            lost = check_dolby_vision(path, form, stream, first)
            self._cropping = stated_cropping(path, form, stream, *self._size)
            self._shapes = PixelShapes(form, stream.sample_aspect_ratio, first)
            self._first = self._look(first, Orientation())
            self.info = self._describe(container, stream, first, [lost] if lost else [])

    @property
    def upright(self) -> bool:
        """Whether frames come as they are stored, neither turned nor cropped."""
        return self._first.orientation == Orientation() and not self._cropping

    def frames(self, first: int = 0) -> Iterator[Frame]:
        """See `Source.frames`. Damaged parts are left out, with a warning at the end.

        `first`: the number of the frame to begin with; those before it are decoded, but not converted.
        """
        name = self.path.name
        deep, alpha = self.info.bit_depth > 8, self.info.has_alpha
        with reading(self.path), open_container(self.path) as container:
            stream = pick_video(container, name)
            # Now, as FFmpeg has other ideas of the beginning once it has read on.
            declared = None if self._extent.counted else declared_end(container, stream)
            clock = Clock(self.time_base, self.info.fps, by_packets=self.info.format == "avi")
            to_rgb = RgbReader(self._codec, name, alpha=alpha, deep=deep)
            canvas, look = Canvas(self._first), self._first
            last: Frame | None = None
            end: int | None = None
            resized = barred = False
            packets = self._packets(container, stream)
            decoder = Decoder(packets.packets())
            whole = Deinterlacer(stream, self._codec, idle=not self._deinterlace)
            for number, (decoded, picture) in enumerate(whole(decoder)):
                pts = clock.stamp(decoded.pts, decoded.dts, decoded.duration, decoder.fed)
                if last is not None:
                    # Containers tell how long a packet lasts in the order of decoding, which is another.
                    yield replace(last, duration=pts - last.pts)
                look = self._look(decoded, look.orientation)
                place = canvas.place(look)
                resized, barred = resized or look.size != self._first.size, barred or place.barred
                end = pts + (decoded.duration or 0)
                if number < first:
                    continue
                image = look.orientation.apply(self._in_rgb(to_rgb, picture, place.size))
                last = Frame(
                    canvas.draw(image, place), pts, self.time_base, decoded.duration or None, captions(decoded)
                )
            if last is not None:
                yield last
            self._found = [*_joined(packets.joins), *self._report(decoder, clock, end, declared)]
            self._found += _report_shapes(resized=resized, barred=barred)
            if whole.found and whole.telling not in self.info.warnings:
                self._found.append(whole.telling)
        if end is None:
            raise MediaError(_nothing_in(name))

    def thumbnails(self, width: int, height: int, first: int = 0) -> Iterator[Thumbnail]:
        """See `Source.thumbnails`."""
        scaler = VideoReformatter()
        with reading(self.path), open_container(self.path) as container:
            packets = self._packets(container, pick_video(container, self.path.name))
            for decoded in islice(Decoder(packets.packets()), first, None):
                # On one core: the decoder has work for the others.
                some = scaler.reformat(
                    decoded,
                    SAMPLES * width,
                    SAMPLES * height,
                    "rgb24",
                    interpolation=Interpolation.FAST_BILINEAR,
                    threads=1,
                )
                yield averaged(some.to_ndarray(), width, height)

    def _packets(self, container: InputContainer, stream: VideoStream) -> PacketReader:
        return PacketReader(self.path, container, stream.index, [stream.index])

    def _look(self, frame: av.VideoFrame, before: Orientation) -> Look:
        """How a frame is shown; turned as the one `before` it where it does not say."""
        size, aspect = (frame.width, frame.height), self._shapes(frame)
        if self._cropping and size == self._size:
            size, aspect = self._cropping.size(*size), self._shapes.first * self._cropping.stretch
        return Look(size, aspect, _orientation(frame) or before)

    def _in_rgb(self, to_rgb: RgbReader, picture: av.VideoFrame, size: tuple[int, int]) -> Pixels:
        """The stored picture, brought to that size; without what is cropped, which only the first size of all has."""
        stored = (picture.width, picture.height)
        if self._cropping and stored == self._size and size == self._cropping.size(*stored):
            return self._cropping.apply(to_rgb(picture, stored))
        return to_rgb(picture, size)

    def _describe(
        self, container: InputContainer, stream: VideoStream, first: av.VideoFrame, warnings: list[str]
    ) -> MediaInfo:
        warnings += picture_warnings(container)
        whole = Deinterlacer(stream, self._codec, idle=not self._deinterlace)
        if whole.interlaced(first):
            warnings.append(whole.telling)
        if self._shapes.claimed is not None:
            warnings.append(
                f"The file claims pixels of the shape {self._shapes.claimed}, which is taken for a mistake."
            )
        width, height = (max(1, round(side)) for side in self._first.shown)
        seconds, rate = self._extent.seconds, self._extent.rate
        if container.format.name == "mjpeg" and rate:
            warnings.append(f"The file holds pictures without times; {float(rate):g} a second were assumed.")
        return MediaInfo(
            kind="video",
            width=width,
            height=height,
            frames=self._extent.frames,
            fps=rate,
            duration_s=float(seconds) if seconds is not None else None,
            has_alpha=has_alpha(first.format),
            bit_depth=bit_depth(first.format),
            codec=self._codec,
            format=container.format.name.split(",")[0],
            audio_codecs=tuple(codec_name(audio) for audio in container.streams.audio),
            warnings=tuple(warnings),
        )

    def _report(self, decoder: Decoder, clock: Clock, end: int | None, declared: int | None) -> Iterator[str]:
        """What came to light while decoding; `end` and `declared` are ticks."""
        if decoder.errors:
            yield f"The file is damaged: {_counted(decoder.errors, 'packet')} could not be decoded and were left out."
        if decoder.corrupt:
            yield f"The file is damaged: {_counted(decoder.corrupt, 'frame')} came out incomplete."
        if clock.moved:
            yield f"The times of {_counted(clock.moved, 'frame')} were not in order and had to be moved."
        if end is not None and declared is not None:
            missing, span = (declared - end) * self.time_base, declared * self.time_base
            if missing > max(Fraction(1, 2), span / 50):
                shown = f"{float(end * self.time_base):.1f} of {float(span):.1f} seconds"
                yield f"The video ends after {shown}: the file is cut off or damaged."


def _report_shapes(*, resized: bool, barred: bool) -> Iterator[str]:
    if resized:
        yield "The frame size changes within the video; all frames were brought to the first one's."
    if barred:
        yield "The shape of the picture changes within the video; where it is not the first one's, it has black bars."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _joined(places: int) -> Iterator[str]:
    if places:
        where = _counted(places, "place")
        yield f"The clock of the recording was set at {where}; what comes after follows without a gap."


def _nothing_in(name: str) -> str:
    return f"{name} holds no frame that can be decoded; check that it is whole and undamaged."


def _orientation(frame: av.VideoFrame) -> Orientation | None:
    matrix = side_data(frame).get("DISPLAYMATRIX")
    return display_orientation(matrix) if matrix else None
