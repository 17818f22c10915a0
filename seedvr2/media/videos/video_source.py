"""Reading videos with PyAV: one frame at a time, with exact timestamps, upright, in RGB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from fractions import Fraction
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
from seedvr2.media.videos.damage import Damage
from seedvr2.media.videos.decoded_frames import DecodedFrames
from seedvr2.media.videos.decoding import Decoder
from seedvr2.media.videos.deinterlacing import Deinterlacer
from seedvr2.media.videos.dolby_vision import check_dolby_vision
from seedvr2.media.videos.entries import CONTAINERS, EntryFinder, way_in
from seedvr2.media.videos.extent import measure
from seedvr2.media.videos.light import read_light
from seedvr2.media.videos.packets import PacketReader
from seedvr2.media.videos.reports import of_decoding, of_joins, of_shapes
from seedvr2.media.videos.side_data import captions, side_data
from seedvr2.media.videos.timing import LONGEST_PAUSE, Clock, origin
from seedvr2.media.videos.video_tags import bit_depth, codec_name, has_alpha, picture_warnings

# Their decoders say nothing of damaged packets, of which several threads make something else each time.
_SILENT = frozenset({"hevc", "vvc"})


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
            self._size = (first.width, first.height)
            self.side_data = side_data(first)
            self.light = read_light(self.side_data)
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

    def frames(self, first: int = 0, *, near: float | None = None) -> Iterator[Frame]:
        """See `Source.frames`. Damaged parts are left out, with a warning at the end.

        `first`: the number of the frame to begin with. Those before it are decoded and not converted, except those
        past which one of the `entries` leads.
        `near`: begin with the last frame before so many seconds at which that is possible by itself, as well as the
        file knows it; numbers count from there.
        """
        name = self.path.name
        deep, alpha = self.info.bit_depth > 8, self.info.has_alpha
        with reading(self.path), self._decoded(first, steady=self._codec in _SILENT) as run:
            to_rgb = RgbReader(self._codec, name, alpha=alpha, deep=deep)
            canvas, look = Canvas(self._first), self._first
            clock, damage = run.clock, Damage(run.clock.step, steady=run.steady)
            if near is not None:
                run.search(int((self.origin + Fraction(near)) / self.time_base))
            last: Frame | None = None
            end: int | None = None
            resized = barred = False
            whole = Deinterlacer(run.stream, self._codec, idle=not self._deinterlace)
            for number, (decoded, picture) in enumerate(whole(run.frames), run.number):
                pts = clock.stamp(decoded.pts, decoded.dts, decoded.duration, run.decoder.fed)
                damage.see(decoded, pts, run.evidence)
                if last is not None:
                    # Containers tell how long a packet lasts in the order of decoding, which is another.
                    yield replace(last, duration=pts - last.pts)
                    last = None
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
            declared = None if self._extent.counted else run.declared
            told = of_decoding(run.decoder, clock, run.ordered.dropped, end, declared, self.time_base)
            places = damage.report(self.time_base, self.origin, regular=self.info.format != "avi")
            self._found = [*of_joins(run.packets.joins), *told, *places, *of_shapes(resized=resized, barred=barred)]
            if whole.found and whole.telling not in self.info.warnings:
                self._found.append(whole.telling)
        if end is None:
            raise MediaError(_nothing_in(name))

    def thumbnails(self, width: int, height: int, first: int = 0) -> Iterator[Thumbnail]:
        """See `Source.thumbnails`. When it has come to its end, `damaged` and `entries` are as this pass found them."""
        scaler = VideoReformatter()
        with reading(self.path), self._decoded(0) as run:
            finder = EntryFinder(LONGEST_PAUSE * run.clock.second)
            for number, decoded in enumerate(run.frames):
                finder.see(decoded)
                if number < first:
                    continue
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
            self.damaged = self.damaged or bool(run.evidence)
            enterable = self.info.format in CONTAINERS and not run.evidence and not self.damaged
            self.entries = tuple(finder.entries) if enterable else ()

    @contextmanager
    def _decoded(self, first: int, *, steady: bool = False) -> Iterator[DecodedFrames]:
        """Frames from one at or before `first` on."""
        way = way_in(self.entries, first) if not self.damaged else None
        with ExitStack() as stack:
            run = stack.enter_context(closing(self._opened(steady=steady or self.damaged)))
            if way is not None and not run.enter(*way):
                run = stack.enter_context(closing(self._opened(steady=steady)))
            yield run

    def _opened(self, *, steady: bool) -> DecodedFrames:
        container = open_container(self.path)
        try:
            stream = pick_video(container, self.path.name)
            clock = Clock(self.time_base, self.info.fps, by_packets=self.info.format == "avi")
            return DecodedFrames(container, stream, self._packets(container, stream), clock, steady=steady)
        except BaseException:
            container.close()
            raise

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


def _nothing_in(name: str) -> str:
    return f"{name} holds no frame that can be decoded; check that it is whole and undamaged."


def _orientation(frame: av.VideoFrame) -> Orientation | None:
    matrix = side_data(frame).get("DISPLAYMATRIX")
    return display_orientation(matrix) if matrix else None
