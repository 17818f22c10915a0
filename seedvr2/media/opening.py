"""Which reader a file needs, and which writer and suffix a result gets."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from seedvr2.errors import OptionError
from seedvr2.media.failures import reading
from seedvr2.media.info import MediaInfo
from seedvr2.media.picture_sink import PictureSink
from seedvr2.media.picture_source import PictureSource
from seedvr2.media.sink import Sink
from seedvr2.media.source import Source
from seedvr2.media.video_sink import VideoSink
from seedvr2.media.video_source import VideoSource
from seedvr2.options import UpscaleOptions

# Sound that mp4 files hold and players expect there. Any other kind goes to mkv, which holds everything.
_MP4_AUDIO = {"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac"}
_VIDEO_SUFFIXES = {"mp4": ".mp4", "mkv": ".mkv"}
_PICTURE_SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tiff"}
_SPELLINGS = {".jpeg": ".jpg", ".tif": ".tiff"}


def open_source(path: Path) -> Source:
    """Open a picture or a video.

    Raises:
        MediaError: it is neither, or cannot be decoded; the message is for people.
    """
    with reading(path.name):
        try:
            with Image.open(path):
                return PictureSource(path)
        except UnidentifiedImageError:
            return VideoSource(path)


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
        return ".mp4" if set(info.audio_codecs) <= _MP4_AUDIO else ".mkv"
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
        options: `output_format` is used.

    Raises:
        MediaError: it cannot be written there.
        OptionError: the format cannot hold what the source is.
    """
    suffix = output_suffix(source.info, options)
    own = _SPELLINGS.get(target.suffix.lower(), target.suffix.lower())
    known = _VIDEO_SUFFIXES if source.info.kind == "video" else _PICTURE_SUFFIXES
    if options.output_format == "auto" and own in known.values():
        suffix = own
    if source.info.kind == "video":
        return VideoSink(target, suffix, source, width, height)
    return PictureSink(target, suffix, source)
