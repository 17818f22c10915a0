"""Copying sound, subtitles and chapters beside the new picture, packet by packet, as the video progresses."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Discard, Stream

from seedvr2.media.video_tags import codec_name

# Tags that describe the old file, not its content.
_FILE_TAGS = {"MAJOR_BRAND", "MINOR_VERSION", "COMPATIBLE_BRANDS", "ENCODER", "DURATION"}
# Tags that describe the old picture stream.
_PICTURE_TAGS = {"BPS", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES", "ROTATE", "TIMECODE", "ALPHA_MODE", "VENDOR_ID"}
# Consecutive errors of the demuxer after which the rest of a file is given up.
_MAX_DEMUX_ERRORS = 100


class Remuxer:
    """Hands the packets of a source's other streams to an output, in step with the video."""

    def __init__(self, source: Path, video_index: int, output: av.container.OutputContainer, origin: Fraction) -> None:
        """Adds the streams to `output`, whose video stream must exist and whose header must not be written yet.

        Args:
            source: the file to copy from. video_index: of its video stream, which is not copied.
            output: where to copy to.
            origin: seconds to take off all times.
        """
        self.warnings: list[str] = []
        self._damaged = 0
        self._output = output
        self._origin = origin
        self._input = av.open(str(source))
        self._copies: dict[int, Stream] = {}
        for stream in self._input.streams:
            copy = None if stream.index == video_index else self._add(stream)
            if copy is None:
                stream.discard = Discard.all
            else:
                self._copies[stream.index] = copy
        self._copy_tags(video_index)
        self._packets = self._read()
        self._held: av.Packet[Stream] | None = None

    def copy_until(self, time: Fraction | None) -> None:
        """Write all packets that are due at `time` in seconds; all that are left if it is None."""
        while True:
            packet = self._held or next(self._packets, None)
            self._held = None
            if packet is None:
                return
            assert packet.dts is not None
            if time is not None and packet.dts * packet.time_base > time:
                self._held = packet
                return
            packet.stream = self._copies[packet.stream_index]
            self._output.mux_one(packet)

    def close(self) -> None:
        """Close the source."""
        self._packets.close()
        self._input.close()

    def _read(self) -> Generator[av.Packet[Stream]]:
        """Packets of the copied streams, with times that a muxer accepts."""
        if not self._copies:
            return
        ends: dict[int, int] = {}
        for packet in self._demux():
            if not packet.size:
                continue
            shift = round(self._origin / packet.time_base)
            least = ends.get(packet.stream_index)
            dts = packet.dts if packet.dts is not None else packet.pts
            dts = (least or 0) if dts is None else dts - shift
            if least is not None and dts < least:
                dts = least
            packet.pts = dts if packet.pts is None else max(packet.pts - shift, dts)
            packet.dts = dts
            ends[packet.stream_index] = dts + 1
            yield packet

    def _demux(self) -> Iterator[av.Packet[Stream]]:
        streams = [self._input.streams[index] for index in self._copies]
        for _ in range(_MAX_DEMUX_ERRORS):
            try:
                yield from self._input.demux(streams)
                return
            except av.error.InvalidDataError:
                self._damaged += 1

    def _add(self, stream: Stream) -> Stream | None:
        if stream.type not in ("audio", "subtitle", "attachment"):
            return None
        name = f"{codec_name(stream)} {stream.type}"
        if stream.type == "attachment":
            if self._output.format.name != "matroska":
                self._skip("attached file", stream)
                return None
        elif stream.codec_context is None:
            self._skip(name, stream)
            return None
        try:
            copy = self._output.add_stream_from_template(stream)
        except ValueError:
            self._skip(name, stream)
            return None
        copy.metadata.update({key: value for key, value in stream.metadata.items() if key.upper() not in _FILE_TAGS})
        copy.disposition = stream.disposition
        return copy

    def _skip(self, what: str, stream: Stream) -> None:
        label = stream.metadata.get("title") or stream.metadata.get("filename") or stream.language
        self.warnings.append(
            f"The {what} track{f' ({label})' if label else ''} was left out, as this container cannot hold it; "
            "choose output_format = mkv to keep it."
        )

    def _copy_tags(self, video_index: int) -> None:
        source, output = self._input, self._output
        output.metadata.update({key: text for key, text in source.metadata.items() if key.upper() not in _FILE_TAGS})
        old, new = source.streams[video_index], output.streams.video[0]
        skipped = _FILE_TAGS | _PICTURE_TAGS
        new.metadata.update({key: text for key, text in old.metadata.items() if key.upper() not in skipped})
        new.disposition = old.disposition
        if chapters := source.chapters():
            for chapter in chapters:
                shift = round(self._origin / (chapter["time_base"] or Fraction(1)))
                chapter["start"] -= shift
                chapter["end"] -= shift
            output.set_chapters(chapters)
