"""Which reader a file needs, and which writer and suffix a result gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from seedvr2.errors import MediaError, OptionError
from seedvr2.media.carried.pictures import left_out
from seedvr2.media.completeness import incomplete
from seedvr2.media.failures import reading, too_large
from seedvr2.media.foreign import refuse_foreign
from seedvr2.media.formats import ANIMATIONS, VIDEOS, result_formats, usual_suffix
from seedvr2.media.info import MAX_PIXELS, MediaInfo
from seedvr2.media.need import check_room, picture_need
from seedvr2.media.pictures.animation_sink import AnimationSink
from seedvr2.media.pictures.animation_source import AnimationSource, shown_frames
from seedvr2.media.pictures.film_header import HEAD_BYTES, read_film_header
from seedvr2.media.pictures.film_source import FilmSource
from seedvr2.media.pictures.mended import open_picture
from seedvr2.media.pictures.picture_sink import PictureSink
from seedvr2.media.pictures.picture_source import PictureSource
from seedvr2.media.pictures.raw import refuse_raw
from seedvr2.media.sink import Sink
from seedvr2.media.source import Source
from seedvr2.media.videos.jpeg_stream import is_jpeg_stream
from seedvr2.media.videos.video_sink import VideoSink
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.options import UpscaleOptions

# Pillow gives up at twice as much, and only warns from here on.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

_ANIMATIONS = {"GIF", "WEBP", "PNG", "AVIF"}
_TIFF_MAGIC = (b"II*\0", b"MM\0*")
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}


def open_source(path: Path, options: UpscaleOptions | None = None) -> Source:
    """Open a picture or a video. Of the options, `deinterlace` is used.

    A file that says itself that it is incomplete has a warning of that.

    Raises:
        MediaError: it is neither, or cannot be decoded; the message is for people.
        TooLargeError, OutOfMemoryError: its first frame would not fit into memory, ever or now.
    """
    source = _open(path, options)
    with reading(path):
        said = incomplete(path)
    if said:
        # Whoever decodes a picture decodes all of it, and says itself what is missing.
        warnings = source.info.warnings if source.info.kind == "picture" else (said, *source.info.warnings)
        source.info = replace(source.info, incomplete=said, warnings=warnings)
    return source


def _open(path: Path, options: UpscaleOptions | None) -> Source:
    with reading(path):
        # Opening a pipe would wait for somebody to write into it.
        if not path.is_file() and path.exists() and not path.is_dir():
            raise MediaError(f"{path.name} is a pipe or a device; give a picture or a video.")
        refuse_raw(path)
        try:
            with path.open("rb") as file:
                film = read_film_header(file.read(HEAD_BYTES), path.name)
            if film is not None:
                return FilmSource(path, film)
            with open_picture(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise MediaError(too_large(path.name))
                # Before its frames are counted or its tags are read, for which Pillow decodes some kinds.
                check_room(path.name, picture_need(image, path))
                animated = image.format in _ANIMATIONS and shown_frames(image) > 1
                moving = image.format == "JPEG" and is_jpeg_stream(path)
            if moving:
                return VideoSource(path)
            return AnimationSource(path) if animated else PictureSource(path)
        except UnidentifiedImageError:
            with path.open("rb") as file:
                head = file.read(12)
        # Pillow does not know every TIFF, such as those of 16-bit gray with transparency.
        if head.startswith(_TIFF_MAGIC):
            return PictureSource(path)
        if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
            # Phones write it; FFmpeg would take one of its tiles for a video.
            raise MediaError(
                f"{path.name} is a HEIC picture that cannot be read here; check that it is whole, or save it as JPEG "
                "or PNG first."
            )
        refuse_foreign(path)
        return VideoSource(path, deinterlace=options is None or options.deinterlace == "auto")


def probe(path: Path) -> MediaInfo:
    """What is known of a file without decoding all of it. Errors as for `open_source`."""
    with open_source(path) as source:
        return source.info


def output_suffix(info: MediaInfo, options: UpscaleOptions) -> str:
    """The suffix of the result, with its dot: `.mp4`, `.mkv`, `.png`…

    Raises:
        OptionError: the format asked for cannot hold what the source is, or the codec that was asked for.
    """
    asked, fitting = options.output_format, result_formats(info)
    if asked not in ("auto", *fitting):
        raise OptionError(
            "output_format", f"output_format = {asked} cannot hold a {info.kind}; use auto, {' or '.join(fitting)}."
        )
    if info.kind == "video" and options.asks_for_a_video:
        return f".{options.wish.container_for(fitting)}"
    return f".{fitting[0] if asked == 'auto' else asked}"


def sink_suffix(target: Path, source: Source, options: UpscaleOptions) -> str:
    """The suffix of a result that is to be called `target`. Raises OptionError, as `open_sink`."""
    suffix = output_suffix(source.info, options)
    own = usual_suffix(target)
    known = [f".{name}" for name in result_formats(source.info)]
    if own and own != suffix:
        # Said by the format or by the name: what is asked for must be one thing, and one that can be made.
        if options.output_format != "auto" or own not in known:
            what = f"{target.name} would not fit output_format = {options.output_format}"
            raise OptionError("output_format", f"{what}; use a name that ends in {', '.join(known)}.")
        suffix = own
        if own[1:] in VIDEOS:
            replace(options, output_format=own[1:]).wish.check()
    return suffix


def open_sink(target: Path, source: Source, width: int, height: int, options: UpscaleOptions) -> Sink:
    """Begin the result of `source`.

    Args:
        target: the file to make; it must not exist. With output_format `auto`, its suffix tells the format.
        source: where the frames, times, tracks and tags come from.
        width, height: of the images to come.
        options: those on the format and the coding are used.

    Raises:
        MediaError: it cannot be written there.
        OptionError: the format cannot hold what the source is.
    """
    suffix = sink_suffix(target, source, options)
    if isinstance(source, AnimationSource):
        return _animation_sink(target, suffix, source, width, height, options)
    if source.info.kind == "video":
        return VideoSink(target, suffix, source, width, height, options.wish)
    return PictureSink(target, suffix, source, width, height)


def _animation_sink(
    target: Path, suffix: str, source: AnimationSource, width: int, height: int, options: UpscaleOptions
) -> Sink:
    if suffix[1:] in ANIMATIONS:
        return AnimationSink(target, suffix, source, width, height)
    sink = VideoSink(target, suffix, source, width, height, options.wish)
    sink.tell(*left_out(source.tags.present(), suffix[1:]))
    return sink
