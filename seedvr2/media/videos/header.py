"""What is in the head of a result beside its tracks: tags, timecode and how it is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from seedvr2.media.carried.videos import VIDEO
from seedvr2.media.videos import light_boxes
from seedvr2.media.videos.languages import language_box, language_element, stated_language
from seedvr2.media.videos.light import read_light
from seedvr2.media.videos.mkv_additions import MkvAdditions
from seedvr2.media.videos.mp4_additions import MOST, Mp4Additions, box
from seedvr2.media.videos.mp4_tags import (
    is_bound,
    is_tag,
    keys_box,
    merged,
    read_extensions,
    read_keys,
    read_user_data,
    text_keys,
    track_keys,
    track_meta,
)
from seedvr2.media.videos.portable_tags import lasting_tags, portable_tags
from seedvr2.media.videos.timecodes import first_timecode, fits
from seedvr2.media.videos.tracks import track_number
from seedvr2.media.videos.unwritten import of_frames, of_purposes, of_structure
from seedvr2.media.videos.view import read_view

FORMATS = {"mp4": "mp4", "mov": "mov", "matroska": "mkv", "webm": "webm"}
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_NOT_WRITTEN = "it is not written into videos made here"


class Header:
    """The head of a result. Collects while the output is set up; `fill` completes the finished file.

    Attributes:
        warnings: what of the source cannot be said there.
    """

    def __init__(
        self, path: Path, source: InputContainer, output: OutputContainer, side_data: Mapping[str, bytes]
    ) -> None:
        """`source`: of the file at `path`. `output`: its header must not be written yet.

        `side_data`: of the first frame, see `side_data.py`.
        """
        self.warnings: list[str] = []
        self._source, self._output = source, output
        self._side_data = side_data
        self._path = path
        self._muxer = output.format.name
        self._mp4 = Mp4Additions(self._muxer) if self._muxer in ("mp4", "mov") else None
        self.mkv = MkvAdditions()

    def add_tags(self, video: VideoStream, others: Iterable[tuple[Stream, Stream]]) -> None:
        """Copy the tags of the file, of its video and of its other tracks, given in pairs of source and result."""
        target, others = self._output.streams.video[0], list(others)
        tags, of_video = portable_tags(self._file_tags(video, (old for old, _ in others))), lasting_tags(video.metadata)
        timecode = first_timecode(self._source, video, self._side_data)
        for found in (tags, of_video):
            _drop(found, "timecode")
        self._output.metadata.update(tags)
        target.metadata.update(of_video)
        if timecode and fits(timecode, video.average_rate):
            target.metadata["timecode"] = timecode
        elif timecode:
            self._tell("timecode", f"{timecode} is not one for {float(video.average_rate or 0):g} frames per second")
        pairs = [(video, target), *others]
        self._add_languages(pairs)
        if lost := of_purposes(self._muxer, (old for old, _ in pairs)):
            self._tell("disposition", f"{FORMATS[self._muxer]} files have no place for it ({', '.join(lost)})")
        if self._mp4:
            self._add_keys(self._mp4, tags, pairs)
        else:
            self._tell_of_user_data()

    def _file_tags(self, video: VideoStream, others: Iterable[Stream]) -> dict[str, str]:
        """The tags of the file; an Ogg has none, but repeats them in each of its streams."""
        tags = dict(self._source.metadata)
        if self._source.format.name == "ogg":
            for stream in (video, *others):
                tags = {key: text for key, text in stream.metadata.items() if key.lower() != "language"} | tags
        return tags

    def _add_languages(self, pairs: Iterable[tuple[Stream, Stream]]) -> None:
        for old, new in pairs:
            language, number = stated_language(self._path, old), track_number(self._output, new)
            if language and number and self._mp4:
                self._mp4.add("mdia", language_box(language), number)
            elif language and number:
                self.mkv.add_entry(number, language_element(language))

    def _add_keys(self, mp4: Mp4Additions, tags: Mapping[str, str], pairs: Iterable[tuple[Stream, Stream]]) -> None:
        texts = text_keys(tags, also=mp4.room_tag(tags))
        mp4.add("moov", keys_box(merged(read_keys(self._path), texts)))
        for old, new in pairs:
            if number := track_number(self._output, new):
                mp4.add("trak", track_meta(self._path, old.id) or keys_box(track_keys(old.metadata)), number)
        items, extensions = read_user_data(self._path), read_extensions(self._path)
        if sum(len(data) for *_, data in (*items, *extensions)) >= MOST:
            self._tell("maker", "it is too large for the head of a file")
            return
        mp4.add("udta", b"".join(box(kind, data) for kind, data in items))
        for place, kind, data in extensions:
            if is_bound(data):
                self._tell("maker", "it refers to places in the old file")
            else:
                mp4.add(place, box(kind, data))

    def add_view(self, video: VideoStream, *, upright: bool) -> None:
        """Say how the source's video is looked at. `upright`: its pictures were not turned."""
        view = read_view(self._path, self._side_data, video.metadata.get("stereo_mode"))
        for what in view.left_out(self._muxer, upright=upright):
            interleaved = (
                "interleaved pictures do not outlive scaling" if what == "stereo" and not view.outlives else ""
            )
            self._tell(what, interleaved if upright else "the pictures were turned")
        if not upright:
            return
        target = self._output.streams.video[0]
        number = track_number(self._output, target)
        if self._mp4:
            self._mp4.add("entry", view.mp4_boxes(), number)
            self._mp4.add("trak", view.google_box(), number)
            return
        self.mkv.add_video(number, view.mkv_elements())
        if name := view.stereo_tag(self._muxer):
            target.metadata["stereo_mode"] = name

    def add_light(self) -> None:
        """Say what HDR10 says of its light."""
        light, target = read_light(self._side_data), self._output.streams.video[0]
        if "MASTERING_DISPLAY_METADATA" in self._side_data and not light.display:
            self._tell("mastering", "the source does not state all of it")
        number = track_number(self._output, target)
        if self._mp4:
            self._mp4.add("entry", light_boxes.mp4_boxes(light), number)
        else:
            self.mkv.add_colour(number, light_boxes.mkv_elements(light))

    def tell_of_unwritten(self, video: VideoStream) -> None:
        """Name what the source has and no result does."""
        for key in (*of_frames(self._side_data), *of_structure(self._path, video)):
            self._tell(key, _NOT_WRITTEN)

    def reserve(self) -> None:
        """Make room for what `fill` writes; the last thing before the header is written."""
        if self._mp4:
            self._mp4.reserve(self._output.metadata)
        else:
            self.mkv.reserve(self._output.streams.video[0].metadata)

    def fill(self, path: Path) -> None:
        """Complete the finished file.

        Raises:
            ValueError: it is not as it was begun.
        """
        (self._mp4 or self.mkv).fill(path)

    def _tell_of_user_data(self) -> None:
        kinds = {kind for kind, _ in read_user_data(self._path) if not is_tag(kind)}
        for _, kind, data in read_extensions(self._path):
            if data.startswith(_XMP):
                self._tell("xmp")
            else:
                kinds.add(kind)
        if kinds:
            self._tell("maker", f"{FORMATS[self._muxer]} files have no place for it ({', '.join(sorted(kinds))})")

    def _tell(self, key: str, why: str = "") -> None:
        result = FORMATS[self._muxer]
        self.warnings.append(VIDEO[key].left_out(result, why or f"{result} files have no place for it"))


def _drop(tags: dict[str, str], name: str) -> None:
    """Take a tag out of these, whatever the case of its name."""
    for key in [key for key in tags if key.lower() == name]:
        del tags[key]
