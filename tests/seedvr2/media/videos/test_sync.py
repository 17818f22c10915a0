"""Picture and sound stay together, whatever container they come in and whatever its clock does."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from seedvr2.media import open_source, probe
from tests.seedvr2.media import sync

CASES = Path(__file__).parents[3] / "fixtures" / "cases"
H264 = ("libx264", {"bf": "3"})
MPEG2 = ("mpeg2video", {"bf": "2"})
FRAME = 1 / 25
KINDS = {
    "a.mp4": (H264, "aac"),
    "a.mov": (H264, "pcm_s16le"),
    "a.3gp": (H264, "aac"),
    "a.mkv": (H264, "flac"),
    "a.webm": (("libvpx", {}), "libopus"),
    "mpeg4.avi": (("mpeg4", {"bf": "0"}), "libmp3lame"),
    "packed.avi": (("mpeg4", {"bf": "2"}), "libmp3lame"),
    "h264.avi": (H264, "libmp3lame"),
    "a.ts": (H264, "aac"),
    "a.m2ts": (H264, "ac3"),
    "a.mpg": (MPEG2, "mp2"),
    "a.vob": (MPEG2, "ac3"),
    "a.flv": (H264, "aac"),
    "a.wmv": (("wmv2", {}), "wmav2"),
    "a.mxf": (MPEG2, "pcm_s16le"),
    "a.wtv": (MPEG2, "mp2"),
    "a.nut": (H264, "aac"),
}


@pytest.mark.parametrize("name", KINDS)
def test_flash_and_beep_are_one_moment(tmp_path: Path, name: str) -> None:
    video, audio = KINDS[name]
    clip = sync.flash_and_beep(tmp_path / name, video=video, audio=audio)
    source, _ = sync.upscale(clip, tmp_path / "out.mkv")
    found = sync.moments(tmp_path / "out.mkv")
    assert found.frames == 50
    assert found.flashes == pytest.approx(found.beeps, abs=FRAME)
    assert found.flashes == pytest.approx([0.4], abs=3 * FRAME)
    assert source.info.fps == pytest.approx(25, rel=0.001)
    assert source.info.frames == pytest.approx(50, abs=1)
    assert source.info.duration_s == pytest.approx(2, abs=2 * FRAME)
    assert not any("order" in text or "damaged" in text or "clock" in text for text in source.warnings)


@pytest.mark.parametrize(
    "name", ["a.mp4", "a.mov", "a.mkv", "a.ts", "a.mpg", "a.flv", "a.nut", "mpeg4.avi", "h264.avi"]
)
@pytest.mark.parametrize("late", [(Fraction(4, 5), Fraction(0)), (Fraction(0), Fraction(4, 5))])
def test_track_that_begins_late_is_late_in_the_result(
    tmp_path: Path, name: str, late: tuple[Fraction, Fraction]
) -> None:
    video, audio = KINDS[name]
    clip = sync.flash_and_beep(tmp_path / name, video=video, audio=audio, late=late)
    source, _ = sync.upscale(clip, tmp_path / "out.mkv")
    found = sync.moments(tmp_path / "out.mkv")
    # An AVI made by FFmpeg does not hold a delay of the sound.
    meant = late[0] - (late[1] if not name.endswith("avi") else 0)
    assert found.flashes[0] - found.beeps[0] == pytest.approx(float(meant), abs=2 * FRAME)
    assert source.info.frames == pytest.approx(50, abs=1)
    assert not any("damaged" in text for text in source.warnings)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("name", "flashes", "frames", "seconds", "joins"),
    [
        ("01_ts_clock_jumps_ahead.ts", [0.42, 1.44], 50, 2.02, 1),
        ("02_ts_clock_reset_uneven.ts", [0.42, 2.04], 50, 2.63, 1),
        ("03b_avi_h264_bframes.avi", [0.6], 30, 1.2, 0),
        ("03c_avi_start_20.avi", [1.24], 25, 1.04, 0),
        ("21_ts_new_pids.ts", [0.42, 1.44], 50, 2.02, 1),
        ("36_ts_wrap.ts", [1.62], 50, 2.0, 0),
    ],
)
def test_recordings_of_the_field(
    tmp_path: Path, name: str, flashes: list[float], frames: int, seconds: float, joins: int, suffix: str
) -> None:
    source, _ = sync.upscale(CASES / name, tmp_path / f"out{suffix}")
    found = sync.moments(tmp_path / f"out{suffix}")
    assert found.flashes == pytest.approx(flashes, abs=0.011)
    assert found.flashes == pytest.approx(found.beeps, abs=FRAME)
    assert source.info.frames == frames
    assert source.info.duration_s == pytest.approx(seconds, abs=0.011)
    assert sum("clock of the recording" in text for text in source.warnings) == joins
    assert not any("damaged" in text for text in source.warnings)


def test_edit_list_shows_what_it_says(tmp_path: Path) -> None:
    source, _ = sync.upscale(CASES / "25_trimmed_edit_list.mp4", tmp_path / "out.mkv")
    found = sync.moments(tmp_path / "out.mkv")
    assert found.flashes == pytest.approx(found.beeps, abs=FRAME)
    assert source.info.frames == 28


def test_parts_of_another_codec_and_size_are_all_read(tmp_path: Path) -> None:
    """The sound of the second part is another one, which is said."""
    first = sync.flash_and_beep(tmp_path / "a.ts")
    second = sync.flash_and_beep(
        tmp_path / "b.ts", video=MPEG2, audio="mp2", size=(128, 96), options={"mpegts_start_pid": "0x200"}
    )
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes() + first.read_bytes())
    source, sink = sync.upscale(joined, tmp_path / "out.mkv")
    found = sync.moments(tmp_path / "out.mkv")
    assert (found.frames, source.info.frames) == (150, 150)
    assert found.flashes[0] == pytest.approx(found.beeps[0], abs=FRAME)
    assert found.flashes[2] == pytest.approx(found.beeps[1], abs=FRAME)
    assert any("has mp2 sound that cannot follow" in text for text in sink.warnings)
    assert any("frame size changes" in text for text in source.warnings)


def level_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return (container.streams.video[0].codec_context.extradata or bytes(4))[3]


def test_browser_recording_without_a_length(tmp_path: Path) -> None:
    source, _ = sync.upscale(CASES / "04_mediarecorder.webm", tmp_path / "out.mp4")
    assert (source.info.fps, source.info.frames) == (30, 30)
    assert source.info.duration_s == pytest.approx(0.995, abs=0.001)
    with open_source(CASES / "04_mediarecorder.webm") as opened:
        times = [float(frame.pts * frame.time_base) for frame in opened.frames()]
    assert times[:4] == pytest.approx([0.007, 0.047, 0.076, 0.116])
    assert level_of(tmp_path / "out.mp4") <= 13


def test_unit_of_time_is_not_taken_for_a_rate(tmp_path: Path) -> None:
    source, _ = sync.upscale(CASES / "40_ntsc.dv", tmp_path / "out.mp4")
    assert (source.info.fps, source.info.frames) == (Fraction(30000, 1001), 2)
    assert probe(CASES / "40_ntsc.dv").duration_s == pytest.approx(0.0667, abs=0.001)
    assert level_of(tmp_path / "out.mp4") == 30
