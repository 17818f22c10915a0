"""The rate is one that the packets bear out, and what is fast or slow on purpose stays so."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from seedvr2.media import open_source, probe
from tests.seedvr2.media import clips

PICTURES = [clips.picture(64, 48, index) for index in range(60)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".flv", ".avi"])
@pytest.mark.parametrize("rate", [1, 25, 240, 1000])
def test_true_rates_are_kept(tmp_path: Path, suffix: str, rate: int) -> None:
    info = probe(clips.write_video(tmp_path / f"clip{suffix}", PICTURES, rate=Fraction(rate)))
    assert float(info.fps or 0) == pytest.approx(rate, rel=0.001)
    assert info.frames == 60
    assert info.duration_s == pytest.approx(60 / rate, rel=0.01)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("a.mp4", 1000),
        ("a.mkv", 1000),
        ("a.ts", 1000),
        ("a.flv", 1000),
        ("a.avi", 1000),
        ("b.mp4", 90_000),
        ("a.mov", 600),
    ],
)
def test_unit_of_the_times_is_no_rate(tmp_path: Path, name: str, unit: int) -> None:
    """Times as cameras and browsers write them: a thirtieth of a second apart, not exactly."""
    times = [round(index * unit / 30) + index % 2 for index in range(60)]
    clip = clips.write_video(tmp_path / name, PICTURES, rate=Fraction(unit), times=times, time_base=Fraction(1, unit))
    with open_source(clip) as source:
        shown = len(list(source.frames()))
    assert float(source.info.fps or 0) == pytest.approx(30, rel=0.03)
    assert (shown, source.info.frames) == (60, pytest.approx(60, abs=2))
    assert source.info.duration_s == pytest.approx(2, abs=0.05)
    assert source.warnings == ()


@pytest.mark.parametrize(
    ("muxer", "codec", "rate"),
    [
        ("h264", "libx264", Fraction(50)),
        ("hevc", "libx265", Fraction(50)),
        ("mpeg2video", "mpeg2video", clips.NTSC),
        ("m4v", "mpeg4", Fraction(30)),
        ("ivf", "libvpx", Fraction(30)),
    ],
)
def test_raw_streams_are_counted_and_have_the_rate_of_their_codec(
    tmp_path: Path, muxer: str, codec: str, rate: Fraction
) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    clip = clips.write_video(tmp_path / "raw", PICTURES, rate=rate, codec=codec, options=options, muxer=muxer)
    info = probe(clip)
    assert (info.frames, info.fps) == (60, rate)
    assert info.duration_s == pytest.approx(float(60 / rate), abs=0.001)
