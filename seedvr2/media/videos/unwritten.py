"""What a source has and results do not: in its frames, in the structure of its file, and of what its tracks are for.

What is found is called by its key in the table of `carried/videos.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from seedvr2.media.carried import boxes, ebml

_OF_FRAMES = {
    "DYNAMIC_HDR_PLUS": "hdr10plus",
    "DYNAMIC_HDR_VIVID": "hdr_vivid",
    "AMBIENT_VIEWING_ENVIRONMENT": "ambient",
    "AFD": "active_format",
}
# Configurations of layers beside the picture that is decoded, and elements of Matroska.
_OF_STRUCTURE = {
    "second_view": frozenset({"lhvC", "hvcE", "mvcC"}),
    "ordered_chapters": frozenset({"EditionFlagOrdered"}),
    "linked": frozenset({"PrevUUID", "NextUUID"}),
}
# What each muxer writes of what a track is for.
_PURPOSES = {
    "mp4": {"default", "dub", "comment", "forced", "hearing_impaired", "visual_impaired", "captions", "descriptions"},
    "mov": {"default"},
    "matroska": {"default", "dub", "original", "comment", "forced", "hearing_impaired", "visual_impaired"},
    "webm": {"default", "forced"},
}
# The reader of mp4 says the second of each wherever it finds the first.
_TWINS = {"hearing_impaired": "captions", "visual_impaired": "descriptions"}


def of_frames(side_data: Mapping[str, bytes]) -> list[str]:
    """Keys of what a frame says of itself."""
    return list(dict.fromkeys(_OF_FRAMES[name] for name in side_data if name in _OF_FRAMES))


def of_structure(path: Path, video: VideoStream) -> list[str]:
    """Keys of what only a walk through the file shows."""
    with path.open("rb") as file:
        kinds = {found.kind for found in boxes.walk(file) if found.track == video.id}
        kinds |= {_kind(file, found) for found in ebml.walk(file) if found.track in (0, video.index + 1)}
    return [key for key, signs in _OF_STRUCTURE.items() if kinds & signs]


def of_purposes(muxer: str, streams: Iterable[Stream]) -> list[str]:
    """What tracks are for, in words, where a muxer does not write it. Covers are no such purpose."""
    lost: dict[str, None] = {}
    for stream in streams:
        names = {flag.name for flag in Disposition if flag & stream.disposition and flag.name}
        names -= {second for first, second in _TWINS.items() if first in names}
        lost |= dict.fromkeys(sorted(names - _PURPOSES[muxer] - {"attached_pic"}))
    return [name.replace("_", " ") for name in lost]


def _kind(file: BinaryIO, found: ebml.Element) -> str:
    """The kind of what is added to each block, or the name of a flag that is set."""
    data = ebml.payload(file, found) if found.name in ("BlockAddIDType", "EditionFlagOrdered") else b""
    if found.name == "BlockAddIDType":
        return data[-4:].decode("latin-1")
    return found.name if found.name != "EditionFlagOrdered" or ebml.number(data) else ""
