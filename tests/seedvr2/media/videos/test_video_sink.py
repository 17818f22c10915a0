"""Videos are written so that browsers play them, with the source's times, whole or not at all."""

from __future__ import annotations

import resource
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from seedvr2.errors import MachineError, MediaError
from seedvr2.media import open_sink, open_source
from seedvr2.media.videos.frame_coder import flatten
from seedvr2.options import UpscaleOptions
from tests.seedvr2.media import clips

DEFAULTS = UpscaleOptions()


def clip_of(path: Path, frames: int = 10, width: int = 64, height: int = 48, **how: object) -> Path:
    return clips.write_video(path, [clips.picture(width, height, index) for index in range(frames)], **how)  # type: ignore[arg-type]


def test_result_is_h264_that_browsers_play(tmp_path: Path) -> None:
    clips.upscale(clip_of(tmp_path / "clip.mp4", options={"crf": "1"}), tmp_path / "out.mp4")
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index comes first, so that playing starts at once"
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.profile, context.pix_fmt) == ("h264", "High", "yuv420p")
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
        assert (stream.average_rate, stream.frames, stream.sample_aspect_ratio) == (clips.NTSC, 10, 1)
        first = next(container.decode(video=0))
    assert np.abs(first.to_ndarray(format="rgb24").astype(int) - clips.picture(64, 48)).mean() < 3


def test_quality_is_that_of_crf_18(tmp_path: Path) -> None:
    """Told by x264 itself, which writes its settings into the stream."""
    clips.upscale(clip_of(tmp_path / "clip.mp4"), tmp_path / "out.mp4")
    assert b"crf=18.0" in (tmp_path / "out.mp4").read_bytes()


@pytest.mark.parametrize(
    ("stamps", "time_base"),
    [
        ([0, 3003, 4000, 40000, 40001, 90000], Fraction(1, 90000)),
        ([0, 1, 2, 3, 4, 5], Fraction(1001, 30000)),
        ([0, 1, 3, 7, 15, 31], Fraction(1, 24)),
        ([7, 8, 9, 10, 11, 12], Fraction(1, 30)),
    ],
    ids=["variable", "ntsc", "gaps", "late-start"],
)
def test_times_are_kept_exactly(tmp_path: Path, stamps: list[int], time_base: Fraction) -> None:
    lengths = [later - earlier for earlier, later in zip(stamps, [*stamps[1:], stamps[-1] + 5], strict=True)]
    clip = clip_of(
        tmp_path / "clip.mp4",
        6,
        times=stamps,
        durations=lengths,
        time_base=time_base,
        container_options={"movie_timescale": "90000"},
    )
    clips.upscale(clip, tmp_path / "out.mp4")
    assert clips.times(tmp_path / "out.mp4") == [stamp * time_base for stamp in stamps]
    assert movie_seconds(tmp_path / "out.mp4") == movie_seconds(clip) == (stamps[-1] + 5) * time_base


def movie_seconds(path: Path) -> Fraction:
    """What an mp4 file says of its whole length, the last frame's included: PyAV makes another sum of its own."""
    data = path.read_bytes()
    header = data[data.index(b"mvhd") + 4 :]
    scale, duration = struct.unpack(">II", header[12:20])
    return Fraction(duration, scale)


def test_matroska_keeps_times_to_its_millisecond(tmp_path: Path) -> None:
    stamps = [0, 33, 40, 400, 401, 1000]
    clip = clip_of(tmp_path / "clip.mkv", 6, times=stamps, time_base=Fraction(1, 1000))
    clips.upscale(clip, tmp_path / "out.mkv", output_format="mkv")
    assert clips.times(tmp_path / "out.mkv") == [Fraction(stamp, 1000) for stamp in stamps]


def test_single_frame_is_a_video_too(tmp_path: Path) -> None:
    clips.upscale(clip_of(tmp_path / "clip.mp4", 1), tmp_path / "out.mp4")
    source = open_source(tmp_path / "out.mp4")
    assert len(list(source.frames())) == 1
    assert source.info.duration_s == pytest.approx(1001 / 30000)


def test_frame_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    source = open_source(clip_of(tmp_path / "clip.mp4", 1))
    (frame,) = source.frames()
    with open_sink(tmp_path / "out.mp4", source, 64, 48, DEFAULTS) as sink:
        assert sink.bit_depth == 8
        with pytest.raises(ValueError, match="expected uint8"):
            sink.write(frame.image.astype(np.uint16), frame)
        with pytest.raises(ValueError, match="expected uint8"):
            sink.write(frame.image[:-2], frame)
        sink.write(frame.image, frame)


def test_transparency_is_laid_on_black(tmp_path: Path) -> None:
    picture = np.dstack([np.full((48, 64, 3), 200, np.uint8), np.full((48, 64), 255, np.uint8)])
    picture[:, :32, 3] = 0
    clip = clips.write_video(tmp_path / "clip.mkv", [picture], codec="ffv1", layout="bgra", options={})
    _, sink = clips.upscale(clip, tmp_path / "out.mp4")
    assert any("transparent" in warning for warning in sink.warnings)
    (frame,) = open_source(tmp_path / "out.mp4").frames()
    assert frame.image[:, :28].max() < 8
    assert np.abs(frame.image[:, 36:].astype(int) - 200).max() < 8


def test_flatten_is_exact_in_both_depths() -> None:
    image = np.array([[[100, 50, 0, 255], [100, 50, 0, 0], [100, 50, 0, 128]]], np.uint8)
    assert flatten(image, 255).tolist() == [[[100, 50, 0], [255, 255, 255], [177, 152, 127]]]
    assert flatten(image.astype(np.uint16) * 257, 0).tolist() == [[[25700, 12850, 0], [0, 0, 0], [12900, 6450, 0]]]


def test_nothing_appears_before_the_end_and_nothing_stays_after_an_abort(tmp_path: Path) -> None:
    source = open_source(clip_of(tmp_path / "clip.mp4", 40, audio=[("aac", {})]))
    folder = tmp_path / "out"
    folder.mkdir()
    sink = open_sink(folder / "out.mp4", source, 64, 48, DEFAULTS)
    for frame in source.frames():
        sink.write(frame.image, frame)
        (only,) = folder.iterdir()
        assert only.name.startswith(".out.mp4.part")
    sink.abort()
    sink.abort()
    assert list(folder.iterdir()) == []
    sink.close()
    assert list(folder.iterdir()) == []


def test_exception_in_the_block_aborts(tmp_path: Path) -> None:
    source = open_source(clip_of(tmp_path / "clip.mp4"))
    with pytest.raises(KeyboardInterrupt), open_sink(tmp_path / "out.mp4", source, 64, 48, DEFAULTS) as sink:
        frame = next(source.frames())
        sink.write(frame.image, frame)
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_video_without_frames_is_not_written(tmp_path: Path) -> None:
    source = open_source(clip_of(tmp_path / "clip.mp4"))
    with (
        pytest.raises(MediaError, match=r"out\.mp4 was not written"),
        open_sink(tmp_path / "out.mp4", source, 64, 48, DEFAULTS),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_existing_file_is_never_replaced(tmp_path: Path) -> None:
    source = open_source(clip_of(tmp_path / "clip.mp4"))
    target = tmp_path / "out.mp4"
    target.write_text("mine")
    with pytest.raises(MediaError, match=r"out\.mp4 exists already"):
        open_sink(target, source, 64, 48, DEFAULTS)
    target.unlink()
    with (
        pytest.raises(MediaError, match=r"out\.mp4 exists already"),
        open_sink(target, source, 64, 48, DEFAULTS) as sink,
    ):
        for frame in source.frames():
            sink.write(frame.image, frame)
        target.write_text("mine")
    assert target.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file of this process may become larger than this: what the system says then is what a full disk says."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_disk_that_fills_up_is_a_clear_error(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    source = open_source(clip_of(tmp_path / "clip.mp4", 60))
    with (
        pytest.raises(MediaError, match=r"out\.mp4") as caught,
        disk_of(100_000),
        open_sink(tmp_path / "out.mp4", source, 64, 48, DEFAULTS) as sink,
    ):
        for frame in source.frames():
            sink.write(noise.integers(0, 256, frame.image.shape, dtype=np.uint8), frame)
    assert "disk" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    source = open_source(clip_of(tmp_path / "clip.mp4"))
    with pytest.raises(MachineError, match="folder does not exist"):
        open_sink(tmp_path / "nowhere" / "out.mp4", source, 64, 48, DEFAULTS)
