"""What becomes of one track beside the picture: copied as it is, or made into something that the container holds."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.audio.stream import AudioStream
from av.codec.codec import Properties
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles.codeccontext import SubtitleCodecContext
from av.subtitles.stream import SubtitleStream

from seedvr2.media.videos.portable_tags import lasting_tags

# Sound that mp4 files hold and players expect there. The muxer takes more (PCM, Vorbis), which many leave silent.
MP4_AUDIO = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac"})
# `experimental` lets mp4 take such as TrueHD, which would be lost otherwise.
MUXER_OPTIONS = {"strict": "experimental"}
# What muxers and decoders say of packets that make no sense. A full disk is none of these.
_DAMAGE = (av.error.InvalidDataError, av.error.ArgumentError, av.error.PatchWelcomeError)
_TEXT_CODEC = {"mp4": "mov_text", "mov": "mov_text", "matroska": "srt", "webm": "webvtt"}
_AAC_RATES = frozenset({96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000})
_BITS_PER_CHANNEL = 128_000
# Old formats tell the number of channels only; these are the usual places of that many speakers.
_AAC_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1"}
_OPUS_LAYOUTS = {**_AAC_LAYOUTS, 4: "quad"}
_OPUS_RATE = 48000
# Samples in a packet, where the decoder does not say and there is only one answer.
_FRAME_SIZES = {"ac3": 1536}
# The same for those whose packets last as long at each multiple of a rate, at 48 and 44.1 kHz.
_SHORT_FRAMES = {"truehd": 40, "mlp": 40}
_SHARED_TICKS = ("matroska", "webm")


class Track(ABC):
    """A stream of the output, the `target`, and how packets of the source get there."""

    def __init__(self, output: OutputContainer, source: Stream, target: Stream) -> None:
        self._output = output
        self.target = target
        self._last_dts: int | None = None
        self.lost = 0  # packets that were damaged beyond what the container takes
        target.metadata.update(lasting_tags(source.metadata))
        target.disposition = source.disposition

    @abstractmethod
    def take(self, packet: Packet[Any]) -> None:
        """Pass on a packet, whose times are those of the output already."""

    def finish(self) -> None:  # noqa: B027 - most tracks hold nothing back
        """Pass on what was held back; nothing is taken any more."""

    def _mux(self, packet: Packet[Any]) -> None:
        assert packet.dts is not None
        # What was coded anew, or rounded to another clock, may fall on one tick, of which Matroska takes several: moved
        # on by a tick each, short packets would last longer than they are.
        if self._last_dts is not None:
            step = 0 if self._output.format.name in _SHARED_TICKS else 1
            packet.dts = max(packet.dts, self._last_dts + step)
        packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
        self._last_dts = packet.dts
        packet.stream = self.target
        try:
            self._output.mux_one(packet)
        except _DAMAGE:
            self.lost += 1


class CopiedTrack(Track):
    """Packets go through untouched."""

    def __init__(self, output: OutputContainer, source: Stream) -> None:
        super().__init__(output, source, output.add_stream_from_template(source, opaque=True))
        self._counter = _sample_counter(source) if output.format.name in ("mp4", "mov") else None

    def take(self, packet: Packet[Any]) -> None:
        """See `Track.take`."""
        if self._counter:
            self._counter.refine(packet)
        self._mux(packet)


class SampleCounter:
    """Gives packets of sound times in samples, where the source has them rounded to its clock.

    Matroska counts milliseconds. Copied into mp4, where a packet lasts until the next begins, these would make each
    packet of sound up to 5 % too long or too short.
    """

    def __init__(self, rate: int, frame_size: int) -> None:
        self._tick = Fraction(1, rate)
        self._frame_size = frame_size
        self._next: int | None = None

    def refine(self, packet: Packet[Any]) -> None:
        """Count on from the packet before, unless there is a gap between them."""
        if packet.pts is None:
            return
        stated = packet.pts * packet.time_base
        if self._next is None or abs(self._next * self._tick - stated) > packet.time_base:
            self._next = round(stated / self._tick)
        packet.pts = packet.dts = self._next
        packet.duration, packet.time_base = self._frame_size, self._tick
        self._next += self._frame_size


class TextTrack(Track):
    """Subtitles in text, written anew as the kind of text that the container holds."""

    def __init__(self, output: OutputContainer, source: SubtitleStream) -> None:
        self._decoder = source.codec_context
        self._decoder.open(strict=False)
        target: Any = output.add_stream(_TEXT_CODEC[output.format.name])
        self._encoder: SubtitleCodecContext = target.codec_context
        self._encoder.subtitle_header = self._decoder.subtitle_header
        self._encoder.time_base = source.time_base or Fraction(1, 1000)
        super().__init__(output, source, target)

    def take(self, packet: Packet[Any]) -> None:
        """See `Track.take`. Lines that cannot be read are left out."""
        try:
            lines = self._decoder.decode2(packet)
            text = self._encoder.encode_subtitle(lines) if lines is not None and len(lines) else None
        except av.FFmpegError:
            self.lost += 1
            return
        if text is not None:
            text.pts = text.dts = packet.pts
            text.duration, text.time_base = packet.duration, packet.time_base
            self._mux(text)


class RecodedTrack(Track):
    """Sound that the container cannot hold, as Opus in WebM, else as AAC."""

    def __init__(self, output: OutputContainer, source: AudioStream) -> None:
        decoder, channels = source.codec_context, source.codec_context.layout.nb_channels
        target: AudioStream
        if recoded_as(output.format.name) == "Opus":
            target = output.add_stream("libopus", _OPUS_RATE)
            target.codec_context.layout = _OPUS_LAYOUTS.get(channels, "stereo")
        else:
            target = output.add_stream("aac", decoder.sample_rate if decoder.sample_rate in _AAC_RATES else 48000)
            target.codec_context.layout = _AAC_LAYOUTS.get(channels, "stereo")
        target.codec_context.bit_rate = _BITS_PER_CHANNEL * target.codec_context.layout.nb_channels
        self._decoder, self._encoder = decoder, target.codec_context
        super().__init__(output, source, target)

    def take(self, packet: Packet[Any]) -> None:
        """See `Track.take`. What cannot be decoded is silent, as a player would have it."""
        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError:
            self.lost += 1
            return
        for frame in frames:
            # The encoder divides frames, and its parts may begin between two ticks of the source's clock.
            if frame.pts is not None and frame.time_base:
                tick = Fraction(1, frame.sample_rate)
                frame.pts, frame.time_base = round(frame.pts * frame.time_base / tick), tick
            for coded in self._encoder.encode(frame):
                self._mux(coded)

    def finish(self) -> None:
        """See `Track.finish`."""
        for coded in self._encoder.encode(None):
            self._mux(coded)


def track_number(output: OutputContainer, stream: Stream) -> int:
    """Which track of the file a stream of the output will be, from 1; 0 where it is none, as cover art in mp4."""
    tracks = [
        s.index for s in output.streams if s.type != "attachment" and not s.disposition & Disposition.attached_pic
    ]
    return tracks.index(stream.index) + 1 if stream.index in tracks else 0


def recoded_as(muxer: str) -> str:
    """The codec of sound that a muxer cannot hold as it is: the name that people know it by."""
    return "Opus" if muxer == "webm" else "AAC"


def can_hold(muxer: str, stream: Stream, first: Packet[Any] | None) -> bool:
    """Whether a muxer writes a file with this stream and the `first` packet of it: the only answer that counts."""
    if stream.codec_context is None and stream.type not in ("attachment", "data"):
        return False
    trial = av.open(io.BytesIO(), "w", format=muxer, container_options=MUXER_OPTIONS)
    try:
        copy = trial.add_stream_from_template(stream, opaque=True)
        trial.start_encoding()
        if first is not None:
            first.stream, first.pts, first.dts = copy, 0, 0
            trial.mux_one(first)
        # Most of what describes a stream is written at the end.
        trial.close()
    except (av.FFmpegError, ValueError):
        return False
    finally:
        with suppress(av.FFmpegError):
            trial.close()
    return True


def _sample_counter(source: Stream) -> SampleCounter | None:
    if not isinstance(source, AudioStream) or not source.time_base or not source.codec_context.sample_rate:
        return None
    context = source.codec_context
    name, rate = context.codec.canonical_name, context.sample_rate
    size = context.frame_size or _FRAME_SIZES.get(name, 0)
    if name in _SHORT_FRAMES:
        size = _SHORT_FRAMES[name] * rate // (44100 if rate % 44100 == 0 else 48000)
    if not size or source.time_base <= Fraction(1, rate):
        return None
    return SampleCounter(rate, size)


def is_text(stream: Stream) -> bool:
    """Whether a stream is subtitles as text, not as pictures."""
    if not isinstance(stream, SubtitleStream) or stream.codec_context is None:
        return False
    return bool(stream.codec_context.codec.properties & Properties.TEXT_SUB.value)  # type: ignore[operator]
