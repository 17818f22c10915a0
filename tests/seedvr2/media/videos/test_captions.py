"""Captions come out of the packets as they went in."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from seedvr2.media.videos.captions import CaptionWriter
from tests.seedvr2.media import clips

# With what must be escaped, and as many as one message holds.
CAPTIONS = [b"\xfc\x94\x2c", b"\xfc\0\0" * 2, b"\0\0\0\0\0\1\0\0\2\0\0\3", b"", b"\xfd\x80\x80" * 31]


ENCODERS = {"h264": ("libx264", {"bf": "3", "b-adapt": "0"}), "hevc": ("libx265", {"x265-params": "log-level=error"})}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_captions_belong_to_their_frames(tmp_path: Path, suffix: str, codec: str) -> None:
    """With frames that are encoded in another order than they are shown in."""
    path, writer = tmp_path / f"out{suffix}", CaptionWriter(codec)
    encoder, options = ENCODERS[codec]
    with av.open(str(path), "w") as output:
        stream = output.add_stream(encoder, 25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(clips.picture(64, 32, index), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            writer.take(Fraction(index, 25), CAPTIONS[index % 5])
            for packet in stream.encode(frame):
                output.mux(writer.with_captions(packet))
        for packet in stream.encode(None):
            output.mux(writer.with_captions(packet))
    with av.open(str(path)) as container:
        decoded: list[Any] = [frame.side_data for frame in container.decode(video=0)]
    found = [next((bytes(entry) for entry in each if entry.type.name == "A53_CC"), b"") for each in decoded]
    assert found == [CAPTIONS[index % 5] for index in range(10)]
    assert not writer.lost


def test_packets_of_other_codecs_get_none() -> None:
    writer = CaptionWriter("vp9")
    writer.take(Fraction(0), b"")
    assert not writer.lost
    writer.take(Fraction(0), CAPTIONS[0])
    packet: Any = av.Packet(b"abc")
    packet.pts, packet.time_base = 0, Fraction(1, 25)
    assert bytes(writer.with_captions(packet)) == b"abc"
    assert writer.lost
