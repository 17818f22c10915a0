"""What independent readers say of a file, field by field, so that two files can be compared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from PIL import Image
from PIL.ExifTags import Base

from tests.cases import measure

_AUDIBLE = 0.02
Fields = dict[str, str]
# What says nothing of the content, and differs with each run.
_TRACK = r"(video|audio|subtitle|cover|data|attachment)\d+\."
_NOT_CONTENT = re.compile(r"(File:(?!Comment)|System:|ExifTool:|Composite:).*|SourceFile")


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not the same before and after; None where it is missing."""

    field: str
    before: str | None
    after: str | None
    source: Fields
    result: Fields

    def __str__(self) -> str:
        return f"{self.field}: {_short(self.before)} became {_short(self.after)}"


def differences(source: Fields, result: Fields) -> list[Difference]:
    """Every field in which two files differ."""
    source, result = _whole(source, result), _whole(result, source)
    names = sorted(source.keys() | result.keys())
    pairs = ((name, source.get(name), result.get(name)) for name in names)
    return [Difference(name, before, after, source, result) for name, before, after in pairs if before != after]


def _whole(fields: Fields, other: Fields) -> Fields:
    """A track that the other file has not is one difference, not one for each of its fields."""
    tracks = {name.split(".")[0] for name in other if re.match(_TRACK, name)}
    mine = {name.split(".")[0] for name in fields if re.match(_TRACK, name)}
    kept = {name: value for name, value in fields.items() if name.split(".")[0] not in mine - tracks}
    return kept | {name: fields.get(f"{name}.codec_name", "unknown") for name in mine - tracks}


def video_fields(path: Path) -> Fields:
    """A video by ffprobe: `format…`, `chapter0…`, `video0…`, `audio0…`; times are seconds after the first frame."""
    said = measure.ffprobe(path)
    seen = measure.ffprobe_times(path) or [0.0]
    start = seen[0]
    fields: Fields = {"video0.times": _seconds(each - start for each in seen)}
    for key, value in _leaves(said["format"], "format"):
        fields[key] = value
    for number, chapter in enumerate(said["chapters"]):
        fields[f"chapter{number}.start"] = _seconds([float(chapter["start_time"]) - start])
        fields[f"chapter{number}.end"] = _seconds([float(chapter["end_time"]) - start])
        fields |= {f"chapter{number}.{key}": value for key, value in _leaves(chapter.get("tags", {}), "tags")}
    counts: dict[str, int] = {}
    for stream in said["streams"]:
        kind = "cover" if stream["disposition"].get("attached_pic") else stream["codec_type"]
        number = counts[kind] = counts.get(kind, -1) + 1
        if "start_time" in stream and kind != "cover":
            stream["start"] = _seconds([float(stream["start_time"]) - start])
        for key, value in _leaves(stream, f"{kind}{number}"):
            fields[key] = value
    return fields | _by_packets(path, start)


def _by_packets(path: Path, start: float) -> Fields:
    """What ffprobe does not say: when something is heard and read; names of tracks, which old ones pass over in mp4."""
    fields: Fields = {}
    with av.open(str(path)) as container:
        kinds = {"audio": container.streams.audio, "subtitle": container.streams.subtitles}
        for kind, streams in kinds.items():
            for number, stream in enumerate(streams):
                if name := stream.metadata.get("name") or stream.metadata.get("title"):
                    fields[f"{kind}{number}.tags.title"] = name
        if container.streams.subtitles:
            # Empty ones are how mp4 says that nothing is shown.
            packets = [each for each in container.demux(container.streams.subtitles[0]) if each.size > 2]
            fields["subtitle0.lines"] = _seconds(float(each.pts * each.time_base) - start for each in packets)
        sounding = bool(container.streams.audio)
    if sounding:
        seconds, levels = measure.sound(path)
        loud = seconds[levels > _AUDIBLE] - start
        fields["audio0.heard"] = _seconds((loud[0], loud[-1]))
    return fields


def picture_fields(path: Path) -> Fields:
    """A picture by exiftool: `Group:Name`; by Pillow its resolution, which each format has in a unit of its own."""
    fields = {key: str(value) for key, value in measure.exiftool(path).items() if not _NOT_CONTENT.fullmatch(key)}
    with Image.open(path) as image:
        # WebP has it in its EXIF.
        noted = [float(image.getexif().get(tag, 0)) for tag in (Base.XResolution, Base.YResolution)]
        if max(dpi := image.info.get("dpi", noted)) > 1:
            fields["Resolution"] = f"{float(dpi[0]):.0f} {float(dpi[1]):.0f}"
    return fields


def numbers(text: str | None) -> list[float]:
    """The numbers in a field."""
    return [float(each) for each in re.findall(r"-?\d+(?:\.\d+)?", text or "")]


def _leaves(value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        # Containers spell the names of tags in capitals or not.
        pairs = [(f"{path}.{key.lower()}", each) for key, each in value.items()]
        # Ordered by what they are, not by where they happen to stand.
        return [leaf for key, each in pairs for leaf in _leaves(each, key)]
    if isinstance(value, list):
        named = [(each.get("side_data_type", str(number)), each) for number, each in enumerate(value)]
        return [leaf for name, each in named for leaf in _leaves(each, f"{path}.{name}")]
    return [(path, str(value))]


def _seconds(values: Any) -> str:
    return " ".join(f"{float(each) + 0:.3f}" for each in values)


def _short(text: str | None) -> str:
    return "nothing" if text is None else repr(text if len(text) < 100 else f"{text[:97]}…")
