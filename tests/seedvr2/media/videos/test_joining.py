"""Stretches of a video that were coded one by one, joined: what a player gets is what one encoder would have given."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from seedvr2.coding.wish import Wish
from seedvr2.errors import MediaError
from seedvr2.media import Source, open_sink, open_source
from seedvr2.media.videos.joining import join
from seedvr2.media.videos.packet_file import read_packets, read_stretch
from seedvr2.media.videos.result_file import ResultFile
from seedvr2.media.videos.segment_sink import SegmentSink
from seedvr2.options import UpscaleOptions
from tests.seedvr2.media import clips

SIZE = (96, 64)
# In 1/90000 s: frames that come ever later, after a jump of two seconds.
TIMES = [0, 3000, 3100, 9000, 9001, 189_000, 190_000, 192_000, 195_000, 199_000, 204_000, 210_000, 217_000, 225_000]


def source_of(folder: Path, *, alpha: bool = False) -> Path:
    frames: list[Any] = [clips.picture(*SIZE, index) for index in range(len(TIMES))]
    if not alpha:
        return clips.write_video(
            folder / "in.mp4",
            frames,
            times=TIMES,
            time_base=Fraction(1, 90_000),
            audio=[("aac", {})],
            audio_seconds=2.0,
        )
    shown = [np.full(SIZE[::-1], 15 * index, np.uint8) for index in range(len(TIMES))]
    pictures = [np.dstack(pair) for pair in zip(frames, shown, strict=True)]
    return clips.write_video(folder / "in.mkv", pictures, codec="ffv1", layout="bgra", options={})


def coded(folder: Path, source: Source, suffix: str, wish: Wish, stops: list[int]) -> tuple[list[Path], list[int]]:
    frames, files, start = list(source.frames()), [], 0
    for stop in stops:
        path = folder / f"{stop}.packets"
        with SegmentSink(path, suffix, source, *SIZE, wish) as sink:
            for frame in frames[start:stop]:
                sink.write(clips.fitted(frame.image, sink), frame)
        files.append(path)
        start = stop
    return files, [stop - start for start, stop in zip([0, *stops], stops, strict=False)]


def joined(target: Path, source: Source, wish: Wish, files: list[Path], frames: list[int]) -> None:
    result = ResultFile(target, target.suffix, source, *SIZE, wish)
    try:
        join(result, files, frames)
    finally:
        result.abort()


@pytest.mark.parametrize(
    ("suffix", "codec", "alpha"),
    [
        (".mp4", "h264", False),
        (".mp4", "hevc", False),
        (".mp4", "av1", False),
        (".mkv", "h264", False),
        (".mkv", "hevc", False),
        (".mkv", "av1", False),
        (".mkv", "vp9", True),
        (".mkv", "ffv1", False),
        (".mkv", "ffv1", True),
        (".mkv", "prores", True),
        (".mov", "h264", False),
        (".mov", "hevc", False),
        (".mov", "prores", False),
        (".mov", "prores", True),
        (".webm", "vp9", False),
        (".webm", "vp9", True),
        (".webm", "av1", False),
    ],
)
@pytest.mark.parametrize("stops", [[1, 2, 9, 14], [14]])
def test_a_joined_video_has_the_times_and_tracks_of_one_coded_at_once(
    tmp_path: Path, suffix: str, codec: str, alpha: bool, stops: list[int]
) -> None:
    whole, target = tmp_path / f"whole{suffix}", tmp_path / f"joined{suffix}"
    with open_source(source_of(tmp_path, alpha=alpha)) as source:
        options = UpscaleOptions(output_format=suffix[1:], video_codec=codec)
        wish = options.wish
        with open_sink(whole, source, *SIZE, options) as sink:
            for frame in source.frames():
                sink.write(clips.fitted(frame.image, sink), frame)
        joined(target, source, wish, *coded(tmp_path, source, suffix, wish, stops))
    with open_source(whole) as one, open_source(target) as other:
        # By the times of decoding, which x264 spreads otherwise where frames come ever later.
        assert one.info.duration_s == pytest.approx(other.info.duration_s, abs=0.1)
        assert replace(one.info, fps=None, duration_s=None) == replace(other.info, fps=None, duration_s=None)
        pairs = list(zip(one.frames(), other.frames(), strict=True))
    assert len(pairs) == len(TIMES)
    for first, second in pairs:
        assert first.pts == second.pts
        assert np.abs(first.image.astype(int) - second.image).mean() < 0.02 * np.iinfo(first.image.dtype).max
    with av.open(str(whole)) as one_file, av.open(str(target)) as other_file:
        sounds = [
            [(packet.pts, bytes(packet)) for packet in file.demux() if packet.stream.type == "audio"]
            for file in (one_file, other_file)
        ]
        assert sounds[0] == sounds[1]
        assert len(sounds[0]) == 0 if alpha else len(sounds[0]) > 10
    if len(stops) == 1:
        packets = [[(p.pts, bytes(p)) for p in clips.packets(path, 0) if p.size] for path in (whole, target)]
        assert packets[0] == packets[1]
    times = [packet.dts for packet in clips.packets(target, 0) if packet.dts is not None]
    # Matroska counts in milliseconds, in which two of the frames are shown at once.
    assert times == sorted(times if suffix in (".mkv", ".webm") else set(times))


def test_a_packet_file_holds_what_the_encoder_gave(tmp_path: Path) -> None:
    with open_source(source_of(tmp_path)) as source:
        (file,), _ = coded(tmp_path, source, ".mp4", Wish(), [14])
        stretch, packets = read_stretch(file), list(read_packets(file))
    assert stretch.time_base == Fraction(1, 90_000) and stretch.headers
    assert sorted(packet.pts for packet in packets) == TIMES
    assert {packet.pts: packet.duration for packet in packets}[9001] == 189_000 - 9001
    assert [packet.key for packet in packets] == [True] + [False] * 13
    light = list(read_packets(file, data=False))
    assert [(each.pts, each.data) for each in light] == [(each.pts, b"") for each in packets]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match="ends within a packet"):
        list(read_packets(file))


def test_what_does_not_belong_together_is_not_joined(tmp_path: Path) -> None:
    with open_source(source_of(tmp_path)) as source:
        files, frames = coded(tmp_path, source, ".mp4", Wish(), [5, 14])
        with pytest.raises(MediaError, match=r"14\.packets has 9 frames, not 8"):
            joined(tmp_path / "out.mp4", source, Wish(), files, [5, 8])
        with pytest.raises(MediaError, match=r"5\.packets was coded in another way"):
            joined(tmp_path / "out.mp4", source, Wish(codec="hevc"), files, frames)
    assert not list(tmp_path.glob("*out*"))
