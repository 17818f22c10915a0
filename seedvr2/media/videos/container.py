"""Opening a video file safely, and choosing what in it is the video."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from seedvr2.errors import MediaError

# What people keep video in. FFmpeg also opens play lists, which name other files and addresses, and draws text files.
_FORMATS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,mxf,nut,ivf,obu,h264,hevc,vvc,vc1,m4v,mjpeg,"
    "yuv4mpegpipe,dv,gxf,rm,wtv,amv,nsv,roq,bink,smk,flic,nuv,cine,dnxhd,dirac,cavsvideo,mlv,film_cpk,4xm,dhav,pva,"
    "ty,thp,h263,h261"
)
_NOT_MOVING = Disposition.attached_pic | Disposition.timed_thumbnails


def open_container(path: Path) -> InputContainer:
    """The file, opened for reading; run it under `failures.reading`."""
    # The path is absolute because FFmpeg takes a name such as `concat:a|b` for a protocol. Tags that are not UTF-8 go
    # through to the result byte by byte.
    return av.open(
        str(path.absolute()),
        metadata_errors="surrogateescape",
        container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
    )


def pick_video(container: InputContainer, name: str) -> VideoStream:
    """The video stream to work on: the default one, else the first. Cover art is not video.

    The demuxer is told to skip all others.

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
    keep_only(container, [chosen.index])
    return chosen


def moving_tracks(container: InputContainer) -> list[VideoStream]:
    """The video streams that are not cover art."""
    return [stream for stream in container.streams.video if not stream.disposition & _NOT_MOVING]


def keep_only(container: InputContainer, indices: list[int]) -> None:
    """Tell the demuxer to skip all streams but these."""
    for stream in container.streams:
        if stream.index not in indices:
            stream.discard = Discard.all
