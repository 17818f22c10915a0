"""Sound of Windows formats in Matroska, copied: WMA, ADPCM, A-law…

Matroska holds all that a WAV file can describe (`A_MS/ACM`, RFC 9559), but PyAV asks FFmpeg only for codecs that have a
name of their own there. So the muxer is told of plain samples, and the track gets its name when the file is finished.
"""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from seedvr2.media.videos.mkv_additions import MkvAdditions
from seedvr2.media.videos.tracks import Track, track_number

_NAME = "A_MS/ACM"


class AcmTrack(Track):
    """Packets go through untouched."""

    def __init__(self, output: OutputContainer, source: AudioStream, additions: MkvAdditions, form: bytes) -> None:
        """`form`: see `wave_format`. `additions`: those that will be written into the finished file."""
        target = output.add_stream("pcm_s16le", source.codec_context.sample_rate)
        target.codec_context.layout = source.codec_context.layout
        super().__init__(output, source, target)
        additions.rename_codec(track_number(output, target), _NAME, form)

    def take(self, packet: Packet[Any]) -> None:
        """See `Track.take`."""
        self._mux(packet)


def wave_format(stream: Stream, first: Packet[Any] | None) -> bytes | None:
    """The description (WAVEFORMATEX) of a stream's sound as it is in a WAV file; None if it cannot be in one."""
    if not isinstance(stream, AudioStream) or stream.codec_context is None or first is None:
        return None
    file = io.BytesIO()
    trial = av.open(file, "w", format="wav")
    try:
        copy = trial.add_stream_from_template(stream, opaque=True)
        trial.start_encoding()
        first.stream, first.pts, first.dts = copy, 0, 0
        trial.mux_one(first)
        trial.close()
    except (av.FFmpegError, ValueError):
        return None
    finally:
        with suppress(av.FFmpegError):
            trial.close()
    head = file.getvalue()
    place = head.find(b"fmt ")
    if place < 0:
        return None
    size = int.from_bytes(head[place + 4 : place + 8], "little")
    return head[place + 8 : place + 8 + size]
