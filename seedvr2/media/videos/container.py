"""Opening a video file safely, and choosing what in it is the video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from seedvr2.errors import MediaError
from seedvr2.media.videos.parts import part_ranges

# What people keep video in. FFmpeg also opens play lists, which name other files and addresses, and draws text files.
_FORMATS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,mxf,nut,ivf,obu,h264,hevc,vvc,vc1,m4v,mjpeg,"
    "yuv4mpegpipe,dv,gxf,rm,wtv,amv,nsv,roq,bink,smk,flic,nuv,cine,dnxhd,dirac,cavsvideo,mlv,film_cpk,4xm,dhav,pva,"
    "ty,thp,h263,h261"
)
# Live captures, which FFmpeg does not name among those with jumps of the clock.
_CLOCKED = frozenset({"flv", "wtv", "nsv", "pva"})
_NOT_MOVING = Disposition.attached_pic | Disposition.timed_thumbnails


def open_container(path: Path, part: int = 0) -> InputContainer:
    """The file, or a part of one that was put together of several, opened for reading.

    Run it under `failures.reading`. `part`: which of `parts.part_ranges`.
    """
    ranges = part_ranges(path)
    return open_range(path, *ranges[part]) if len(ranges) > 1 else _open(path, "", "file")


def open_range(path: Path, first: int, end: int) -> InputContainer:
    """The bytes of a file from `first` up to `end`, opened like a file; for formats that can be entered anywhere."""
    return _open(path, f"subfile,,start,{first},end,{end},,:", "subfile,file")


def _open(path: Path, prefix: str, protocols: str) -> InputContainer:
    # The path is absolute because FFmpeg takes a name such as `concat:a|b` for a protocol. Tags that are not UTF-8 go
    # through to the result byte by byte.
    return av.open(
        f"{prefix}{path.absolute()}",
        format="mjpeg" if _begins_with_jpeg(path) else None,
        metadata_errors="surrogateescape",
        container_options={"format_whitelist": _FORMATS, "protocol_whitelist": protocols},
    )


def _begins_with_jpeg(path: Path) -> bool:
    # FFmpeg recognizes such a stream by what its first pictures have in common with those of some cameras.
    with path.open("rb") as file:
        return file.read(3) == b"\xff\xd8\xff"


def pick_video(container: InputContainer, name: str) -> VideoStream:
    """The video stream to work on: the default one, else the first. Cover art is not video.

    The demuxer is told to skip all others, but for sound by which the clock is checked.

    Raises:
        MediaError: there is none that can be decoded.
    """
    tracks = moving_tracks(container)
    if not tracks:
        what = "only sound" if container.streams.audio else "no video"
        raise MediaError(f"{name} holds {what}; give a file with a picture or a video in it.")
    decodable = [stream for stream in tracks if stream.codec_context is not None and stream.time_base]
    if not decodable:
        raise MediaError(f"{name} uses a video codec that cannot be decoded here; convert it to H.264 first.")
    chosen = next((stream for stream in decodable if stream.disposition & Disposition.default), decodable[0])
    watched = [audio.index for audio in container.streams.audio] if is_clocked(container) else []
    keep_only(container, [chosen.index, *watched])
    return chosen


def is_clocked(container: InputContainer) -> bool:
    """Whether the times of such files are those of a clock that runs on its own, and may be set anew."""
    flags: Any = container.format.flags  # typed as an enumeration, but an int
    jumps = container.format.name in _CLOCKED or bool(flags & Flags.ts_discont.value)
    return jumps and has_times(container)


def has_times(container: InputContainer) -> bool:
    """Whether such files hold times at all; raw streams do not."""
    flags: Any = container.format.flags
    return not flags & Flags.no_timestamps.value


def moving_tracks(container: InputContainer) -> list[VideoStream]:
    """The video streams that are not cover art."""
    return [stream for stream in container.streams.video if not stream.disposition & _NOT_MOVING]


def keep_only(container: InputContainer, indices: list[int]) -> None:
    """Tell the demuxer to skip all streams but these."""
    for stream in container.streams:
        if stream.index not in indices:
            stream.discard = Discard.all
