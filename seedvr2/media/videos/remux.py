"""Sound, subtitles, chapters and tags of a source on their way into a result, as the video progresses."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from seedvr2.media.carried.boxes import chapter_tracks, track_kinds
from seedvr2.media.carried.encryption import is_protected
from seedvr2.media.carried.videos import VIDEO
from seedvr2.media.failures import reading
from seedvr2.media.videos.acm_track import AcmTrack, wave_format
from seedvr2.media.videos.container import keep_only, open_container
from seedvr2.media.videos.decoding import demux
from seedvr2.media.videos.header import FORMATS, Header
from seedvr2.media.videos.portable_tags import lasting_tags
from seedvr2.media.videos.timing import Clock
from seedvr2.media.videos.tracks import (
    MP4_AUDIO,
    CopiedTrack,
    RecodedTrack,
    TextTrack,
    Track,
    can_hold,
    is_text,
)
from seedvr2.media.videos.video_tags import UNKNOWN, codec_name

_NEAR = 1000  # packets
# Cover art by its codec: suffix and MIME type.
_COVERS = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png")}
# Text whose look and place are lost where it becomes plain.
_STYLED = frozenset({"ass", "ssa", "eia_608"})
# Why tracks are left out, where it is not for the format.
_WHY = {"unknown": "nothing here can copy it", "protected": "only who has its key can read it"}
# What is kept as timecode and as chapters, not as tracks.
_TIMECODE_TRACK = "tmcd"


class Remuxer:
    """Hands the packets of a source's other streams to an output, in step with the video."""

    def __init__(
        self,
        source: Path,
        video_index: int,
        output: OutputContainer,
        origin: Fraction,
        side_data: Mapping[str, bytes] | None = None,
        *,
        upright: bool = True,
    ) -> None:
        """Adds the streams to `output`, whose video stream must exist and whose header must not be written yet.

        Args:
            source: the file to copy from. video_index: of its video stream, which is not copied.
            output: where to copy to: mp4 or matroska.
            origin: seconds to take off all times.
            side_data: what the first frame carries. upright: the pictures were not turned.

        Raises:
            MediaError: the source cannot be opened any more.
        """
        self._warnings: list[str] = []
        self._source = source
        self._output = output
        self._origin = origin
        with reading(source):
            self._input = open_container(source)
            self._kinds, self._chapters = track_kinds(source), chapter_tracks(source)
            self._first = _first_packets(source)
        self._tracks: dict[int, Track] = {}
        self._header = Header(self._input, output, side_data or {})
        for stream in self._input.streams:
            track = self._track_of(stream) if stream.index != video_index else None
            if track is not None:
                self._tracks[stream.index] = track
        keep_only(self._input, list(self._tracks))
        video = self._input.streams[video_index]
        assert isinstance(video, VideoStream)
        self._copy_tags(video)
        self._header.add_view(video, upright=upright)
        self._header.tell_of_light()
        self._header.tell_of_structure(video)
        self._header.reserve()
        self._packets = self._read()
        self._held: Packet[Any] | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what could not be kept."""
        return (*self._warnings, *self._header.warnings)

    def complete(self, path: Path) -> None:
        """Write what the muxer cannot into the head of the finished file.

        Raises:
            ValueError: it is not as it was begun.
        """
        self._header.fill(path)

    def copy_until(self, time: Fraction | None) -> None:
        """Write all packets that are due at `time` in seconds; all that are left if it is None.

        Raises:
            MediaError: the source cannot be read any more.
        """
        while packet := self._held or self._next():
            self._held = None
            if time is not None and _due(packet) > time:
                self._held = packet
                return
            self._tracks[packet.stream_index].take(packet)
        if time is None:
            for track in self._tracks.values():
                track.finish()
            if lost := sum(track.lost for track in self._tracks.values()):
                self._warnings.append(f"The file is damaged: {lost} packets of its sound or subtitles were left out.")

    def close(self) -> None:
        """Close the source."""
        self._packets.close()
        self._input.close()

    def _next(self) -> Packet[Any] | None:
        with reading(self._source):
            return next(self._packets, None)

    def _read(self) -> Generator[Packet[Any]]:
        """Packets of the copied streams, in the output's time."""
        streams = [self._input.streams[index] for index in self._tracks]
        if not any(stream.type != "attachment" for stream in streams):
            return
        clocks = {stream.index: Clock(stream.time_base or Fraction(1, 1000), None) for stream in streams}
        for packet in demux(self._input, streams):
            if packet is None or not packet.size:
                continue
            stored = packet.dts if packet.dts is not None else packet.pts
            time = clocks[packet.stream_index].stamp(stored, None, packet.duration or 0)
            ahead = packet.pts - stored if packet.pts is not None and stored is not None else 0
            packet.dts = time - round(self._origin / packet.time_base)
            packet.pts = packet.dts + max(0, ahead)
            yield packet

    def _track_of(self, stream: Stream) -> Track | None:
        """What copies a stream; None if that is left out."""
        if stream.type == "video":
            # Other videos are the reader's to tell of.
            return self._add_cover(stream) if stream.disposition & Disposition.attached_pic else None
        if is_protected(self._source, stream.id, stream.index):
            self._leave_out("protected", stream)
        elif stream.type in ("audio", "subtitle", "attachment"):
            return self._add(stream)
        elif self._kinds.get(stream.id) != _TIMECODE_TRACK and stream.id not in self._chapters:
            if can_hold(self._output.format.name, stream, self._first.get(stream.index)):
                return CopiedTrack(self._output, stream)
            self._leave_out("telemetry" if self._kinds.get(stream.id) == "gpmd" else "data", stream)
        return None

    def _add(self, stream: Stream) -> Track | None:
        muxer, codec = self._output.format.name, codec_name(stream)
        if can_hold(muxer, stream, self._first.get(stream.index)):
            if isinstance(stream, AudioStream) and muxer == "mp4" and codec not in MP4_AUDIO:
                self._note(stream, codec, "is copied, but not every player finds such sound in mp4")
            return CopiedTrack(self._output, stream)
        form = wave_format(stream, self._first.get(stream.index)) if muxer == "matroska" else None
        if form and isinstance(stream, AudioStream):
            return AcmTrack(self._output, stream, self._header.mkv, form)
        if isinstance(stream, SubtitleStream) and is_text(stream):
            if codec in _STYLED:
                self._note(stream, codec, "lost its look and its places, as it became plain text")
            return TextTrack(self._output, stream)
        if isinstance(stream, AudioStream) and stream.codec_context is not None:
            self._note(stream, codec, f"was coded anew as AAC, as {FORMATS[muxer]} cannot hold it")
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
        elif muxer != "webm" and can_hold(muxer, stream, picture):
            return CopiedTrack(self._output, stream)
        self._leave_out("cover", stream)
        return None

    def _note(self, stream: Stream, codec: str, what: str) -> None:
        kind = f"{'attached file' if stream.type == 'attachment' else f'{codec} {stream.type} track'}"
        label = _label(stream)
        advice = "; choose output_format = mkv to keep it as it is" if self._in_mkv(stream) else ""
        self._warnings.append(f"The {kind}{f' ({label})' if label else ''} {what}{advice}.")

    def _in_mkv(self, stream: Stream) -> bool:
        """Whether Matroska, where it is not what is written, would hold a stream as it is."""
        if self._output.format.name == "matroska":
            return False
        first = self._first.get(stream.index)
        return can_hold("matroska", stream, first) or wave_format(stream, first) is not None

    def _leave_out(self, key: str, stream: Stream) -> None:
        found = [self._kinds.get(stream.id, ""), _label(stream)]
        which = ", ".join(text for text in found if text) or f"{stream.type}, number {stream.index + 1}"
        format_ = FORMATS[self._output.format.name]
        why = _WHY.get(key, f"{format_} files have no place for it")
        self._warnings.append(VIDEO[key].left_out(format_, f"{why} ({which})"))

    def _copy_tags(self, video: VideoStream) -> None:
        source, output = self._input, self._output
        copied = [(source.streams[index], track.target) for index, track in self._tracks.items()]
        self._header.add_tags(video, copied)
        output.streams.video[0].disposition = video.disposition
        if chapters := source.chapters():
            for chapter in chapters:
                shift = round(self._origin / (chapter["time_base"] or Fraction(1)))
                chapter["start"] -= shift
                chapter["end"] -= shift
            output.set_chapters(chapters)


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


def _due(packet: Packet[Any]) -> Fraction:
    assert packet.dts is not None
    return packet.dts * packet.time_base
