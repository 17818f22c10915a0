"""What becomes of each stream of a source beside its video: copied, made into something else, or named and left out."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import Any

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream

from seedvr2.media.carried.boxes import chapter_tracks, track_kinds
from seedvr2.media.carried.encryption import is_protected
from seedvr2.media.carried.videos import VIDEO
from seedvr2.media.failures import reading
from seedvr2.media.videos.acm_track import AcmTrack, wave_format
from seedvr2.media.videos.container import keep_only, open_container
from seedvr2.media.videos.decoding import demux
from seedvr2.media.videos.header import FORMATS
from seedvr2.media.videos.mkv_additions import MkvAdditions
from seedvr2.media.videos.portable_tags import lasting_tags
from seedvr2.media.videos.tracks import (
    MP4_AUDIO,
    CopiedTrack,
    RecodedTrack,
    TextTrack,
    Track,
    can_hold,
    is_text,
    recoded_as,
)
from seedvr2.media.videos.video_tags import UNKNOWN, codec_name

_NEAR = 1000  # packets
# Cover art by its codec: suffix and MIME type.
_COVERS = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png")}
# Text whose look and place are lost where it becomes plain.
_STYLED = frozenset({"ass", "ssa", "eia_608"})
# Why tracks are left out, where it is not for the format.
_WHY = {"unknown": "nothing here can copy it", "protected": "only who has its key can read it"}
# What is kept as timecode and not as a track, like the titles of chapters.
_TIMECODE_TRACK = "tmcd"
_TELEMETRY = "gpmd"


class TrackChoice:
    """Adds the streams of a source to an output."""

    def __init__(self, source: Path, output: OutputContainer) -> None:
        """Reads what is needed of `source`; run it under `failures.reading`."""
        self._notes: list[str] = []
        self._left_out: dict[str, list[str]] = defaultdict(list)
        self._source, self._output = source, output
        self._kinds, self._chapters = track_kinds(source), chapter_tracks(source)
        self._first = _first_packets(source)

    @property
    def warnings(self) -> list[str]:
        """Sentences on what does not come along as it is; one for all tracks of a kind, of which phones write many."""
        result = FORMATS[self._output.format.name]
        whys = {key: _WHY.get(key, f"{result} files have no place for it") for key in self._left_out}
        left = [
            VIDEO[key].left_out(result, f"{whys[key]} ({'; '.join(names)})") for key, names in self._left_out.items()
        ]
        return [*self._notes, *left]

    def track_of(self, stream: Stream, additions: MkvAdditions) -> Track | None:
        """What copies a stream; None if that is left out. `additions`: to the file, if it is of Matroska."""
        if stream.type == "video":
            # Other videos are the reader's to tell of.
            return self._add_cover(stream) if stream.disposition & Disposition.attached_pic else None
        with reading(self._source):
            protected = is_protected(self._source, stream.id, stream.index)
        if protected:
            self._leave_out("protected", stream)
        elif stream.type in ("audio", "subtitle", "attachment"):
            return self._add(stream, additions)
        elif self._kinds.get(stream.id) == _TELEMETRY:
            if can_hold(self._output.format.name, stream, self._first.get(stream.index)):
                return CopiedTrack(self._output, stream)
            self._leave_out("telemetry", stream)
        elif self._kinds.get(stream.id) != _TIMECODE_TRACK and stream.id not in self._chapters:
            # The muxer of mp4 would take some, and call them telemetry.
            self._leave_out("data", stream)
        return None

    def _add(self, stream: Stream, additions: MkvAdditions) -> Track | None:
        muxer, codec = self._output.format.name, codec_name(stream)
        # Other muxers take attached files, and pass over them.
        passed_over = stream.type == "attachment" and muxer != "matroska"
        if not passed_over and can_hold(muxer, stream, self._first.get(stream.index)):
            if isinstance(stream, AudioStream) and muxer == "mp4" and codec not in MP4_AUDIO:
                self._note(stream, codec, "is copied, but not every player finds such sound in mp4")
            return CopiedTrack(self._output, stream)
        form = wave_format(stream, self._first.get(stream.index)) if muxer == "matroska" else None
        if form and isinstance(stream, AudioStream):
            return AcmTrack(self._output, stream, additions, form)
        if isinstance(stream, SubtitleStream) and is_text(stream):
            if codec in _STYLED:
                self._note(stream, codec, "lost its look and its places, as it became plain text")
            return TextTrack(self._output, stream)
        if isinstance(stream, AudioStream) and stream.codec_context is not None:
            self._note(stream, codec, f"was coded anew as {recoded_as(muxer)}, as {FORMATS[muxer]} cannot hold it")
            return RecodedTrack(self._output, stream)
        if codec == UNKNOWN and stream.type != "attachment":
            self._leave_out("unknown", stream)
        else:
            self._note(stream, codec, f"was left out, as {FORMATS[muxer]} cannot hold it")
        return None

    def _add_cover(self, stream: Stream) -> Track | None:
        muxer, picture, codec = self._output.format.name, self._first.get(stream.index), codec_name(stream)
        if muxer == "matroska":
            # It keeps cover art as an attached file of this name; as a track it would be a second video.
            if picture is not None and codec in _COVERS:
                suffix, kind = _COVERS[codec]
                self._output.add_attachment(f"cover.{suffix}", kind, bytes(picture))
                return None
        elif muxer == "mp4" and can_hold(muxer, stream, picture):
            return CopiedTrack(self._output, stream)
        self._leave_out("cover", stream)
        return None

    def _note(self, stream: Stream, codec: str, what: str) -> None:
        kind = f"{'attached file' if stream.type == 'attachment' else f'{codec} {stream.type} track'}"
        label = _label(stream)
        advice = "; choose output_format = mkv to keep it as it is" if self._in_mkv(stream) else ""
        self._notes.append(f"The {kind}{f' ({label})' if label else ''} {what}{advice}.")

    def _in_mkv(self, stream: Stream) -> bool:
        """Whether Matroska, where it is not what is written, would hold a stream as it is."""
        if self._output.format.name == "matroska":
            return False
        first = self._first.get(stream.index)
        return can_hold("matroska", stream, first) or wave_format(stream, first) is not None

    def _leave_out(self, key: str, stream: Stream) -> None:
        found = [self._kinds.get(stream.id, ""), _label(stream)]
        which = ", ".join(text for text in found if text) or f"{stream.type}, number {stream.index + 1}"
        self._left_out[key].append(which)


def _label(stream: Stream) -> str:
    """What a stream is called by the file."""
    tags = stream.metadata
    named = (tags.get(name, "").strip() for name in ("title", "name", "filename", "handler_name", "language"))
    return next((text for text in named if text and text != "und" and lasting_tags({"name": text})), "")


def _first_packets(path: Path) -> dict[int, Packet[Any]]:
    """The first packet of each track of sound or data, as far as these are near the beginning, and all cover art."""
    found: dict[int, Packet[Any]] = {}
    with open_container(path) as container:
        covers = [stream for stream in container.streams.video if stream.disposition & Disposition.attached_pic]
        streams = [*container.streams.audio, *container.streams.data, *covers]
        keep_only(container, [stream.index for stream in streams])
        for packet in islice(demux(container, streams), _NEAR if streams else 0):
            if packet is not None and packet.size:
                found.setdefault(packet.stream_index, packet)
            if len(found) == len(streams):
                break
    return found
