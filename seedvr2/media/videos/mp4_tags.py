"""Tags of an mp4 or QuickTime file that FFmpeg's muxer does not write: keys of any name, and data of camera makers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from seedvr2.media.carried.boxes import Box, payload, walk
from seedvr2.media.videos.mp4_additions import MOST, box, split
from seedvr2.media.videos.portable_tags import lasting_tags

# What the muxer writes by itself, in the boxes that every player knows.
_WRITTEN = {"title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping"}
_WRITTEN |= {"lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "episode_sort"}
_WRITTEN |= {"season_number", "media_type", "hd_video", "gapless_playback", "compilation", "track", "disc", "encoder"}
_WRITTEN |= {"creation_time", "timecode"}
# What is there by Apple's names.
_WRITTEN |= {"location", "date_recorded", "make", "model"}
# Of a track: what is in its own header.
_OF_TRACK = {"title", "language", "handler_name", "creation_time", "timecode", "encoder", "duration"}
# User data that FFmpeg's reader makes tags of; so are all that begin with a copyright sign.
_READ = frozenset({"cprt", "titl", "auth", "perf", "gnre", "dscp", "albm", "yrrc", "FIRM", "date", "Xtra"})
# The box with the licences of a protected file.
_KEYS = bytes.fromhex("d08a4f1810f34a82b6c832d8aba183d3")
# User data that the muxer writes anew, or that is true of the old file's packets only.
_RENEWED = frozenset(
    {"meta", "chpl", "name", "titl", "hnti", "hinf", "loci", "ludt", "\xa9too", "\xa9enc", "free", "skip"}
)
_SOFTWARE = "\xa9swr"
_TEXT = 1  # the type of a value in UTF-8


@dataclass(frozen=True, slots=True)
class Key:
    """A metadata key. `values` are its boxes of data, with their types and languages."""

    name: str
    values: bytes


def read_keys(path: Path) -> list[Key]:
    """The keys of a file with their values as they are, numbers as numbers; none of a file of another kind."""
    with path.open("rb") as file:
        found = {found.path[-3:]: found for found in walk(file) if "trak" not in found.path}
        for parents in (("moov", "meta"), ("udta", "meta")):
            names, values = found.get((*parents, "keys")), found.get((*parents, "ilst"))
            if names and values and names.size + values.size < MOST:
                return _paired(payload(file, names, MOST), payload(file, values, MOST))
    return []


def read_user_data(path: Path) -> list[tuple[str, bytes]]:
    """Kinds and contents of what makers of cameras and programs wrote beside the tags; none of another kind of file.

    It ends where it gets as large as `MOST`.
    """
    items = _read(path, lambda found: found.path[:-1] == ("moov", "udta") and found.kind not in _RENEWED)
    return [(found.kind, data) for found, data in items if not (found.kind == _SOFTWARE and b"Lavf" in data)]


def read_extensions(path: Path) -> list[tuple[str, str, bytes]]:
    """Boxes with which others extend the format: where each is, `file` or `moov`; its kind and its content.

    Adobe's XMP is one, and what Sony's cameras say of a take. It ends where it gets as large as `MOST`.
    """
    items = _read(path, lambda found: found.path in (("uuid",), ("moov", "uuid"), ("meta",)))
    return [
        ("moov" if len(found.path) == 2 else "file", found.kind, data)
        for found, data in items
        if not data.startswith(_KEYS)
    ]


def is_bound(data: bytes) -> bool:
    """Whether such a box says where in the old file something is, which is not there in a new one."""
    return b"iloc" in data


def track_meta(path: Path, identity: int) -> bytes:
    """The box with the keys of the track that PyAV calls so by its `stream.id`; empty without one."""
    with path.open("rb") as file:
        for found in walk(file):
            if found.path == ("moov", "trak", "meta") and found.track == identity and found.size < MOST:
                return box("meta", payload(file, found, MOST))
    return b""


def is_tag(kind: str) -> bool:
    """Whether user data of that kind are among the tags that PyAV gives."""
    return kind.startswith("\xa9") or kind in _READ


def text_keys(tags: Mapping[str, str], *, also: str) -> list[Key]:
    """The tags of a whole file that the muxer does not write, as keys; so is the tag that is called `also`."""
    return [_text_key(name, text) for name, text in tags.items() if name.lower() not in _WRITTEN - {also}]


def track_keys(tags: Mapping[str, str]) -> list[Key]:
    """The tags of a track that the muxer does not write, as keys."""
    return [_text_key(name, text) for name, text in lasting_tags(tags).items() if name.lower() not in _OF_TRACK]


def merged(first: Iterable[Key], then: Iterable[Key]) -> list[Key]:
    """Both, without those of `then` whose name is taken."""
    keys = {key.name.lower(): key for key in then}
    keys.update({key.name.lower(): key for key in first})
    return list(keys.values())


def keys_box(keys: Iterable[Key]) -> bytes:
    """The box with the keys, for a whole file or a track; none without keys."""
    entries = [(key.name.encode(errors="surrogateescape"), key.values) for key in keys]
    if not entries:
        return b""
    handler = box("hdlr", bytes(8) + b"mdta" + bytes(13))
    names = b"".join(box("mdta", name) for name, _ in entries)
    values = b"".join(struct.pack(">II", len(data) + 8, place) + data for place, (_, data) in enumerate(entries, 1))
    # Without a version before it, as phones write it and readers expect it at these places.
    return box("meta", handler + box("keys", struct.pack(">II", 0, len(entries)) + names) + box("ilst", values))


def _paired(names: bytes, values: bytes) -> list[Key]:
    try:
        named = [name.decode(errors="surrogateescape") for kind, name in split(names[8:]) if kind == "mdta"]
        numbered = [(int.from_bytes(kind.encode("latin-1"), "big"), data) for kind, data in split(values)]
    except ValueError:
        return []
    keys = [Key(named[place - 1], data) for place, data in numbered if 0 < place <= len(named)]
    return [key for key in keys if key.name.lower() not in _WRITTEN and lasting_tags({key.name: ""})]


def _text_key(name: str, text: str) -> Key:
    return Key(name, box("data", struct.pack(">II", _TEXT, 0) + text.encode(errors="surrogateescape")))


def _read(path: Path, wanted: Callable[[Box], bool]) -> list[tuple[Box, bytes]]:
    items, left = [], MOST
    with path.open("rb") as file:
        for found in walk(file):
            if wanted(found) and left:
                items.append((found, payload(file, found, left)))
                left -= len(items[-1][1])
    return items
