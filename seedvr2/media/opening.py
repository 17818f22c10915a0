"""Which reader a file needs, and which writer and suffix a result gets."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from seedvr2.errors import MediaError, OptionError
from seedvr2.media.failures import reading, too_large
from seedvr2.media.info import MAX_PIXELS, MediaInfo
from seedvr2.media.need import PICTURES, check_room, picture_need
from seedvr2.media.pictures.animation_source import AnimationSource
from seedvr2.media.pictures.picture_sink import PictureSink
from seedvr2.media.pictures.picture_source import PictureSource
from seedvr2.media.sink import Sink
from seedvr2.media.source import Source
from seedvr2.media.videos.encoders import keeps_transparency
from seedvr2.media.videos.tracks import MP4_AUDIO
from seedvr2.media.videos.video_sink import VideoSink
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.options import UpscaleOptions

# Pillow gives up at twice as much, and only warns from here on.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

_ANIMATIONS = {"GIF", "WEBP", "PNG", "AVIF"}
_TIFF_MAGIC = (b"II*\0", b"MM\0*")
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}
_VIDEO_SUFFIXES = {"mp4": ".mp4", "mkv": ".mkv", "webm": ".webm", "mov": ".mov"}
_PICTURE_SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tiff"}
_SPELLINGS = {".jpeg": ".jpg", ".tif": ".tiff"}


def open_source(path: Path, options: UpscaleOptions | None = None) -> Source:
    """Open a picture or a video. Of the options, `deinterlace` is used.

    Raises:
        MediaError: it is neither, or cannot be decoded; the message is for people.
        TooLargeError, OutOfMemoryError: its first frame would not fit into memory, ever or now.
    """
    with reading(path):
        # Opening a pipe would wait for somebody to write into it.
        if not path.is_file() and path.exists() and not path.is_dir():
            raise MediaError(f"{path.name} is a pipe or a device; give a picture or a video.")
        try:
            with Image.open(path, formats=PICTURES) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise MediaError(too_large(path.name))
                # Before its frames are counted or its tags are read, for which Pillow decodes some kinds.
                check_room(path.name, picture_need(image, path))
                animated = image.format in _ANIMATIONS and getattr(image, "n_frames", 1) > 1
            return AnimationSource(path) if animated else PictureSource(path)
        except UnidentifiedImageError:
            with path.open("rb") as file:
                head = file.read(12)
        # Pillow does not know every TIFF, such as those of 16-bit gray with transparency.
        if head.startswith(_TIFF_MAGIC):
            return PictureSource(path)
        if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
            # Phones write it; FFmpeg would take one of its tiles for a video.
            raise MediaError(f"{path.name} is a HEIC picture, which cannot be read; save it as JPEG or PNG first.")
        return VideoSource(path, deinterlace=options is None or options.deinterlace == "auto")


def probe(path: Path) -> MediaInfo:
    """What is known of a file without decoding all of it. Errors as for `open_source`."""
    with open_source(path) as source:
        return source.info


def output_suffix(info: MediaInfo, options: UpscaleOptions) -> str:
    """The suffix of the result, with its dot: `.mp4`, `.mkv`, `.png`…

    Raises:
        OptionError: the format asked for cannot hold what the source is.
    """
    asked = options.output_format
    suffixes = _VIDEO_SUFFIXES if info.kind == "video" else _PICTURE_SUFFIXES
    if asked == "auto":
        if info.kind == "picture":
            return ".png"
        if kept := keeps_transparency(info):
            return _VIDEO_SUFFIXES[kept]
        return ".mp4" if set(info.audio_codecs) <= MP4_AUDIO else ".mkv"
    if asked not in suffixes:
        raise OptionError(
            "output_format", f"output_format = {asked} cannot hold a {info.kind}; use auto, {' or '.join(suffixes)}."
        )
    return suffixes[asked]


def open_sink(target: Path, source: Source, width: int, height: int, options: UpscaleOptions) -> Sink:
    """Begin the result of `source`.

    Args:
        target: the file to make; it must not exist. With output_format `auto`, its suffix tells the format.
        source: where the frames, times, tracks and tags come from.
        width, height: of the images to come.
        options: `output_format` and `video_codec` are used.

    Raises:
        MediaError: it cannot be written there.
        OptionError: the format cannot hold what the source is.
    """
    suffix = output_suffix(source.info, options)
    own = _SPELLINGS.get(target.suffix.lower(), target.suffix.lower())
    known = _VIDEO_SUFFIXES if source.info.kind == "video" else _PICTURE_SUFFIXES
    if own and own != suffix:
        # Said by the format or by the name: what is asked for must be one thing, and one that can be made.
        if options.output_format != "auto" or own not in known.values():
            what = f"{target.name} would not fit output_format = {options.output_format}"
            raise OptionError("output_format", f"{what}; use a name that ends in {', '.join(known.values())}.")
        suffix = own
    if source.info.kind == "video":
        return VideoSink(target, suffix, source, width, height, options.video_codec)
    return PictureSink(target, suffix, source, width, height)
