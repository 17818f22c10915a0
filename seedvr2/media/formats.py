"""What the result of a source can be written as."""

from __future__ import annotations

from pathlib import Path

from seedvr2.media.carried.pictures import STILLS
from seedvr2.media.info import MediaInfo
from seedvr2.media.videos.encoders import keeps_transparency
from seedvr2.media.videos.tracks import MP4_AUDIO
from seedvr2.media.videos.video_tags import UNKNOWN

VIDEOS = ("mp4", "mkv", "webm", "mov")
ANIMATIONS = ("webp", "png", "gif")

_SPELLINGS = {".jpeg": ".jpg", ".tif": ".tiff"}


def usual_suffix(path: Path) -> str:
    """The suffix of a name with its dot, in the spelling that results have."""
    suffix = path.suffix.lower()
    return _SPELLINGS.get(suffix, suffix)


def result_formats(info: MediaInfo) -> tuple[str, ...]:
    """The values of `output_format` that fit a source; the first is what `auto` means for it."""
    if info.kind == "picture":
        return STILLS
    fitting = (*VIDEOS, *ANIMATIONS) if info.animation else VIDEOS
    # Sound that is not known here is left out of any format.
    fits_mp4 = set(info.audio_codecs) - {UNKNOWN} <= MP4_AUDIO
    common = "mp4" if fits_mp4 else "mkv"
    best = keeps_transparency(info) or common
    # Where transparency is given up, what suits the sound is next.
    return tuple(dict.fromkeys((best, common, *fitting)))
