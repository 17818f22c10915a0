"""Sound, subtitles, chapters and tags of a source on their way into a result, as the video progresses."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from seedvr2.media.failures import reading
from seedvr2.media.videos.container import keep_only, open_container
from seedvr2.media.videos.crossing import Timed
from seedvr2.media.videos.header import Header
from seedvr2.media.videos.packets import PacketReader
from seedvr2.media.videos.timing import Clock
from seedvr2.media.videos.track_choice import TrackChoice
from seedvr2.media.videos.tracks import Track


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
        self._source = source
        self._output = output
        self._origin = origin
        with reading(source):
            self._input = open_container(source)
            choice = TrackChoice(source, output)
        self._tracks: dict[int, Track] = {}
        self._header = Header(source, self._input, output, side_data or {})
        for stream in self._input.streams:
            track = choice.track_of(stream, self._header.mkv) if stream.index != video_index else None
            if track is not None:
                self._tracks[stream.index] = track
        self._warnings = choice.warnings
        self._reader = PacketReader(source, self._input, video_index, list(self._tracks))
        keep_only(self._input, self._reader.streams)
        video = self._input.streams[video_index]
        assert isinstance(video, VideoStream)
        with reading(source):
            self._copy_tags(video)
            self._header.add_view(video, upright=upright)
            self._header.add_light()
            self._header.tell_of_unwritten(video)
        self._header.reserve()
        self._packets = self._read()
        self._held: Timed | None = None

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
                self._warnings.append(f"The file is damaged: {lost} packets of its sound or subtitles were left out.")
            self._warnings += [
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
        clocks = {stream.index: Clock(stream.time_base or Fraction(1, 1000), None, ties=True) for stream in streams}
        for item in self._shown():
            packet = item.packet
            stored = packet.dts if packet.dts is not None else packet.pts
            time = clocks[item.track].stamp(stored, None, packet.duration or 0)
            ahead = packet.pts - stored if packet.pts is not None and stored is not None else 0
            packet.dts = time - round(self._origin / packet.time_base)
            packet.pts = packet.dts + max(0, ahead)
            yield item

    def _shown(self) -> Generator[Timed]:
        """Packets without those that the source has cut off, where the output would play them.

        mp4 notes a cut beside the packets. Elsewhere the last one before it stays: a decoder begins with it.
        """
        keeps_cuts = self._output.format.name not in ("matroska", "webm")
        before: dict[int, Timed] = {}
        for item in self._reader:
            if item is None or not item.packet.size:
                continue
            if item.packet.is_discard and not keeps_cuts:
                before[item.track] = item
                continue
            if (last := before.pop(item.track, None)) is not None:
                yield last
            yield item

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


def _due(packet: Packet[Any]) -> Fraction:
    assert packet.dts is not None
    return packet.dts * packet.time_base
