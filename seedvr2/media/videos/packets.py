"""The packets of a file in its own order, with one continuous time for all tracks, through all its parts.

The reader of the frames and the one of the sound each have their own demuxer. Both come to the same times, as both look
at the same packets: those of the video and of all sound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from seedvr2.media.videos.avi_places import AviPlaces
from seedvr2.media.videos.container import is_clocked, open_container, pick_video
from seedvr2.media.videos.crossing import Timed
from seedvr2.media.videos.decoding import demux
from seedvr2.media.videos.parts import part_ranges
from seedvr2.media.videos.timeline import Timeline


class PacketReader:
    """Iterates over packets of the wanted tracks; None stands for a damaged place. To be used once."""

    def __init__(
        self, path: Path, container: InputContainer, video: int, wanted: Sequence[int], *, parts: int | None = None
    ) -> None:
        """`container`: the first part, open. `video`: the stream that is upscaled. `wanted`: streams to give out.

        `parts`: how many of the file's parts to read; all, if it is None.
        """
        self._parts = len(part_ranges(path)) if parts is None else parts
        self._path, self._container = path, container
        self._video, self._wanted = video, frozenset(wanted)
        self._clocked = is_clocked(container)
        self._sound = [stream for stream in container.streams if isinstance(stream, AudioStream)]
        self._timeline = Timeline(video, [stream.index for stream in self._sound])
        self._places = AviPlaces(container)
        self._lost: set[str] = set()

    @property
    def streams(self) -> list[int]:
        """The streams of the first part that are read: the wanted ones, and those by which the clock is checked."""
        watched = {self._video, *(stream.index for stream in self._sound)} if self._clocked else set()
        return sorted(self._wanted | watched)

    @property
    def joins(self) -> int:
        """At how many places the clock was set, so far."""
        return self._timeline.joins

    @property
    def skipped(self) -> int:
        """At how many places packets are known to be missing, so far."""
        return self._places.skipped

    @property
    def lost(self) -> tuple[str, ...]:
        """Sound and subtitles in later parts that go on with none of the first part, so far."""
        return tuple(sorted(self._lost))

    def __iter__(self) -> Iterator[Timed | None]:
        if not self._clocked:
            streams = [self._container.streams[index] for index in self.streams]
            for packet in demux(self._container, streams):
                if packet is not None:
                    self._places.correct(packet)
                yield None if packet is None else Timed(packet.stream_index, packet)
            return
        for item in self._timeline.follow(self._all()):
            if item is None or item.track in self._wanted:
                yield item

    def packets(self) -> Iterator[Packet[Any] | None]:
        """The packets by themselves, where one track is wanted."""
        for item in self:
            yield None if item is None else item.packet

    def _all(self) -> Iterator[Timed | None]:
        yield from _read(self._container, {index: index for index in self.streams}, 0)
        for part in range(1, self._parts):
            with closing(open_container(self._path, part)) as container:
                yield from _read(container, self._same_tracks(container), part)

    def _same_tracks(self, container: InputContainer) -> dict[int, int]:
        """By streams of a later part: the track of the first part that each goes on with."""
        tracks = {pick_video(container, self._path.name).index: self._video}
        free = list(self._sound)
        for audio in container.streams.audio:
            match = next((stream for stream in free if _sounds_alike(stream, audio)), None)
            if match is not None:
                free.remove(match)
                tracks[audio.index] = match.index
            else:
                self._lost.add(f"{audio.codec_context.codec.canonical_name} sound")
        if container.streams.subtitles:
            self._lost.add("subtitles")
        return tracks


def _read(container: InputContainer, tracks: dict[int, int], part: int) -> Iterator[Timed | None]:
    for packet in demux(container, [container.streams[index] for index in tracks]):
        yield None if packet is None else Timed(tracks[packet.stream_index], packet, part)


def _sounds_alike(one: Stream, other: Stream) -> bool:
    """Whether packets of the one can follow those of the other in a track."""
    if not isinstance(one, AudioStream) or not isinstance(other, AudioStream):
        return False
    first, second = one.codec_context, other.codec_context
    return (first.codec.canonical_name, first.sample_rate, first.layout.nb_channels) == (
        second.codec.canonical_name,
        second.sample_rate,
        second.layout.nb_channels,
    )
