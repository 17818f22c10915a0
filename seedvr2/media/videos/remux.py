"""Sound, subtitles, chapters and tags of a source on their way into a result, as the video progresses."""

from __future__ import annotations

from collections.abc import Generator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream

from seedvr2.media.failures import reading
from seedvr2.media.videos.container import keep_only, open_container
from seedvr2.media.videos.crossing import Timed
from seedvr2.media.videos.decoding import demux
from seedvr2.media.videos.packets import PacketReader
from seedvr2.media.videos.timing import Clock
from seedvr2.media.videos.tracks import (
    MP4_AUDIO,
    CopiedTrack,
    RecodedTrack,
    TextTrack,
    Track,
    can_hold,
    is_text,
    lasting_tags,
    recoded_as,
)
from seedvr2.media.videos.video_tags import codec_name

_NEAR = 1000  # packets
# Cover art by its codec: suffix and MIME type.
_COVERS = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png")}


class Remuxer:
    """Hands the packets of a source's other streams to an output, in step with the video."""

    def __init__(self, source: Path, video_index: int, output: OutputContainer, origin: Fraction) -> None:
        """Adds the streams to `output`, whose video stream must exist and whose header must not be written yet.

        Args:
            source: the file to copy from. video_index: of its video stream, which is not copied.
            output: where to copy to: mp4 or matroska.
            origin: seconds to take off all times.

        Raises:
            MediaError: the source cannot be opened any more.
        """
        self.warnings: list[str] = []
        self._source = source
        self._output = output
        self._origin = origin
        with reading(source):
            self._input = open_container(source)
            self._first = _first_packets(source)
        self._tracks: dict[int, Track] = {}
        for stream in self._input.streams:
            track = None
            if stream.type in ("audio", "subtitle", "attachment"):
                track = self._add(stream)
            elif stream.type == "video" and stream.disposition & Disposition.attached_pic:
                track = self._add_cover(stream)
            if track is not None:
                self._tracks[stream.index] = track
        self._reader = PacketReader(source, self._input, video_index, list(self._tracks))
        keep_only(self._input, self._reader.streams)
        self._copy_tags(video_index)
        self._packets = self._read()
        self._held: Timed | None = None

    def copy_until(self, time: Fraction | None) -> None:
        """Write all packets that are due at `time` in seconds; all that are left if it is None.

        Raises:
            MediaError: the source cannot be read any more.
        """
        while item := self._held or self._next():
            self._held = None
            if time is not None and _due(item.packet) > time:
                self._held = item
                return
            self._tracks[item.track].take(item.packet)
        if time is None:
            for track in self._tracks.values():
                track.finish()
            if lost := sum(track.lost for track in self._tracks.values()):
                self.warnings.append(f"The file is damaged: {lost} packets of its sound or subtitles were left out.")
            self.warnings += [
                f"A later part of the recording has {what} that cannot follow those of the first; left out."
                for what in self._reader.lost
            ]

    def close(self) -> None:
        """Close the source."""
        self._packets.close()
        self._input.close()

    def _next(self) -> Timed | None:
        with reading(self._source):
            return next(self._packets, None)

    def _read(self) -> Generator[Timed]:
        """Packets of the copied streams, in the output's time."""
        streams = [self._input.streams[index] for index in self._tracks]
        if not any(stream.type != "attachment" for stream in streams):
            return
        clocks = {stream.index: Clock(stream.time_base or Fraction(1, 1000), None) for stream in streams}
        for item in self._reader:
            if item is None or not item.packet.size:
                continue
            packet = item.packet
            stored = packet.dts if packet.dts is not None else packet.pts
            time = clocks[item.track].stamp(stored, None, packet.duration or 0)
            ahead = packet.pts - stored if packet.pts is not None and stored is not None else 0
            packet.dts = time - round(self._origin / packet.time_base)
            packet.pts = packet.dts + max(0, ahead)
            yield item

    def _add(self, stream: Stream) -> Track | None:
        muxer, codec = self._output.format.name, codec_name(stream)
        if can_hold(muxer, stream, self._first.pop(stream.index, None)):
            if isinstance(stream, AudioStream) and muxer == "mp4" and codec not in MP4_AUDIO:
                self._note(stream, codec, "is copied, but not every player finds such sound in mp4")
            return CopiedTrack(self._output, stream)
        if isinstance(stream, SubtitleStream) and is_text(stream):
            return TextTrack(self._output, stream)
        if isinstance(stream, AudioStream) and stream.codec_context is not None:
            self._note(stream, codec, f"was coded anew as {recoded_as(muxer)}, as {muxer} cannot hold it")
            return RecodedTrack(self._output, stream)
        self._note(stream, codec, f"was left out, as {muxer} cannot hold it")
        return None

    def _add_cover(self, stream: Stream) -> Track | None:
        picture, codec = self._first.pop(stream.index, None), codec_name(stream)
        muxer = self._output.format.name
        if muxer != "matroska":
            return CopiedTrack(self._output, stream) if muxer != "webm" and can_hold(muxer, stream, picture) else None
        # Matroska keeps cover art as an attached file of this name; as a track it would be a second video.
        if picture is not None and codec in _COVERS:
            suffix, kind = _COVERS[codec]
            self._output.add_attachment(f"cover.{suffix}", kind, bytes(picture))
        return None

    def _note(self, stream: Stream, codec: str, what: str) -> None:
        label = stream.metadata.get("title") or stream.metadata.get("filename") or stream.metadata.get("language")
        named = f"{'attached file' if stream.type == 'attachment' else f'{codec} {stream.type} track'}"
        advice = "; choose output_format = mkv to keep it as it is" if self._output.format.name == "mp4" else ""
        self.warnings.append(f"The {named}{f' ({label})' if label else ''} {what}{advice}.")

    def _copy_tags(self, video_index: int) -> None:
        source, output = self._input, self._output
        output.metadata.update(lasting_tags(source.metadata))
        old, new = source.streams[video_index], output.streams.video[0]
        new.metadata.update(lasting_tags(old.metadata))
        new.disposition = old.disposition
        if chapters := source.chapters():
            for chapter in chapters:
                shift = round(self._origin / (chapter["time_base"] or Fraction(1)))
                chapter["start"] -= shift
                chapter["end"] -= shift
            output.set_chapters(chapters)


def _first_packets(path: Path) -> dict[int, Packet[Any]]:
    """The first packet of each sound track, as far as these are near the beginning, and all cover art."""
    found: dict[int, Packet[Any]] = {}
    with open_container(path) as container:
        covers = [stream for stream in container.streams.video if stream.disposition & Disposition.attached_pic]
        streams = [*container.streams.audio, *covers]
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
