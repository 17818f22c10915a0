"""Videos are read as a player shows them: upright, in order, at their own times, past what is damaged."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from seedvr2.errors import MediaError
from seedvr2.media import Frame, Source, open_source, probe
from tests.seedvr2.media import clips

LOSSLESS = {"codec": "ffv1", "layout": "bgr0", "options": {}}


def read(path: Path) -> tuple[Source, list[Frame]]:
    source = open_source(path)
    return source, list(source.frames())


def test_frames_come_in_order_with_exact_times_and_rate(tmp_path: Path) -> None:
    pictures = [clips.picture(64, 48, index) for index in range(12)]
    clip = clips.write_video(tmp_path / "clip.mp4", pictures, options={"crf": "5", "bf": "3"})
    source, frames = read(clip)
    info = source.info
    assert (info.kind, info.width, info.height, info.frames, info.fps) == ("video", 64, 48, 12, Fraction(30000, 1001))
    assert (info.codec, info.format, info.bit_depth, info.has_alpha) == ("h264", "mov", 8, False)
    assert info.duration_s == pytest.approx(12 * 1001 / 30000, abs=0.001)
    assert [frame.pts * frame.time_base for frame in frames] == [index * Fraction(1001, 30000) for index in range(12)]
    assert all(frame.duration and frame.duration * frame.time_base == Fraction(1001, 30000) for frame in frames)
    for frame, picture in zip(frames, pictures, strict=True):
        assert np.abs(frame.image.astype(int) - picture).mean() < 2, "each frame is itself and not its neighbour"
    assert source.warnings == ()


def test_frames_can_be_read_more_than_once_and_belong_to_the_caller(tmp_path: Path) -> None:
    clip = clips.write_video(tmp_path / "clip.mkv", [clips.picture(32, 32, index) for index in range(3)], **LOSSLESS)
    source, first = read(clip)
    kept = [frame.image.copy() for frame in first]
    for frame in source.frames():
        frame.image[:] = 0
    assert all(np.array_equal(frame.image, image) for frame, image in zip(first, kept, strict=True))
    assert all(np.array_equal(frame.image, image) for frame, image in zip(source.frames(), kept, strict=True))


def test_variable_rate_keeps_each_time(tmp_path: Path) -> None:
    stamps = [0, 3003, 4000, 40000, 40001, 90000]
    clip = clips.write_video(
        tmp_path / "vfr.mp4",
        [clips.picture(32, 32, index) for index in range(6)],
        times=stamps,
        time_base=Fraction(1, 90000),
    )
    _, frames = read(clip)
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(stamp, 90000) for stamp in stamps]


@pytest.mark.parametrize(
    ("degrees", "hflip", "vflip"),
    [(0, 0, 0), (90, 0, 0), (180, 0, 0), (-90, 0, 0), (0, 1, 0), (0, 0, 1), (90, 1, 0), (-90, 1, 0)],
)
def test_display_matrix_turns_the_pixels(tmp_path: Path, degrees: int, hflip: int, vflip: int) -> None:
    picture = clips.picture(64, 32)
    clip = clips.write_video(
        tmp_path / "turned.mp4",
        [picture],
        options={"qp": "0"},
        layout="yuv444p",
        rotation=(degrees, bool(hflip), bool(vflip)),
    )
    source, frames = read(clip)
    upright = np.rot90(picture, degrees // 90)
    upright = upright[:, ::-1] if hflip else upright
    upright = upright[::-1] if vflip else upright
    assert (source.info.width, source.info.height) == (upright.shape[1], upright.shape[0])
    assert np.abs(frames[0].image.astype(int) - upright).max() <= 3


@pytest.mark.parametrize(("aspect", "width"), [(Fraction(16, 15), 768), (Fraction(8, 9), 640), (Fraction(1, 50), 720)])
def test_display_size_is_in_square_pixels(tmp_path: Path, aspect: Fraction, width: int) -> None:
    clip = clips.write_video(tmp_path / "sar.mp4", [clips.picture(720, 64)], aspect=aspect)
    source, frames = read(clip)
    assert (source.info.width, source.info.height) == (width, 64)
    assert frames[0].image.shape == (64, 720, 3), "pixels stay as they are stored"
    assert bool(source.warnings) == (width == 720)


def test_turned_video_with_wide_pixels_is_tall(tmp_path: Path) -> None:
    clip = clips.write_video(
        tmp_path / "both.mp4", [clips.picture(72, 64)], aspect=Fraction(4, 3), rotation=(90, False, False)
    )
    source, frames = read(clip)
    assert (source.info.width, source.info.height) == (64, 96)
    assert frames[0].image.shape == (72, 64, 3)


@pytest.mark.parametrize("layout", ["yuv420p", "yuv422p", "yuv444p", "gray", "yuv420p10le", "bgr0"])
def test_odd_sizes_and_single_frames(tmp_path: Path, layout: str) -> None:
    clip = clips.write_video(tmp_path / "odd.mkv", [clips.picture(37, 21)], codec="ffv1", layout=layout, options={})
    source, frames = read(clip)
    assert len(frames) == 1
    assert frames[0].image.shape == (21, 37, 3)
    assert (source.info.frames, source.info.width, source.info.height) == (1, 37, 21)


@pytest.mark.parametrize(("layout", "bits"), [("gbrp10le", 10), ("gbrp12le", 12), ("gbrp16le", 16)])
def test_deep_rgb_uses_the_whole_range(tmp_path: Path, layout: str, bits: int) -> None:
    codes = np.linspace(0, 2**bits - 1, 64).round().astype(np.uint16)[None].repeat(8, 0)
    frame = clips.frame_of([codes, codes[:, ::-1], codes], layout)  # planes are G, B, R
    clip = clips.write_video(tmp_path / "deep.mkv", [frame], codec="ffv1", layout=layout, options={})
    source, frames = read(clip)
    image = frames[0].image
    assert (source.info.bit_depth, image.dtype) == (bits, np.uint16)
    exact = np.stack([codes, codes, codes[:, ::-1]], -1) / (2**bits - 1) * 65535
    assert np.abs(image - exact).max() <= 1


@pytest.mark.parametrize(("layout", "bits"), [("yuva420p", 8), ("yuva444p", 8), ("yuva444p10le", 10)])
def test_transparency_is_read(tmp_path: Path, layout: str, bits: int) -> None:
    top = 2**bits - 1
    number = np.uint8 if bits == 8 else np.uint16
    alpha = np.linspace(0, top, 64).round().astype(number)[None].repeat(32, 0)
    step = 2 if "420" in layout else 1
    chroma = np.full((32 // step, 64 // step), 128 << (bits - 8), number)
    luma = np.full((32, 64), 180 << (bits - 8), number)
    clip = clips.write_video(
        tmp_path / "alpha.mkv",
        [clips.frame_of([luma, chroma, chroma, alpha], layout)],
        codec="ffv1",
        layout=layout,
        options={},
        tags=(1, 1, 1, 1),
    )
    source, frames = read(clip)
    image = frames[0].image
    peak = np.iinfo(image.dtype).max
    assert source.info.has_alpha
    assert image.shape == (32, 64, 4)
    assert np.abs(image[..., 3] / peak - alpha / top).max() * 255 < 0.1
    assert np.abs(image[..., :3] / peak * 255 - (180 - 16) / 219 * 255).max() < 0.6, "alpha is straight"


def test_transparency_of_webm_is_not_overlooked(tmp_path: Path) -> None:
    picture = np.dstack([clips.picture(64, 32), np.full((32, 64), 255, np.uint8)])
    picture[:, :32, 3] = 0
    clip = clips.write_video(
        tmp_path / "alpha.webm",
        [picture] * 3,
        codec="libvpx-vp9",
        layout="yuva420p",
        options={"cpu-used": "8", "crf": "10", "b": "0", "auto-alt-ref": "0"},
    )
    source, frames = read(clip)
    assert source.info.has_alpha
    assert len(frames) == 3
    assert frames[2].image[:, :24, 3].max() < 30
    assert frames[2].image[:, 40:, 3].min() > 225


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_damage_in_the_middle_costs_only_what_it_hit(tmp_path: Path, suffix: str) -> None:
    whole = clips.write_video(
        tmp_path / f"whole{suffix}",
        [clips.picture(160, 96, index) for index in range(60)],
        options={"g": "10", "crf": "10"},
        container_options={"movflags": "+faststart"} if suffix == ".mp4" else None,
    )
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = np.random.default_rng(1).bytes(300)
    damaged = tmp_path / f"damaged{suffix}"
    damaged.write_bytes(data)
    source, frames = read(damaged)
    assert 45 <= len(frames) <= 60
    stamps = [frame.pts for frame in frames]
    assert stamps == sorted(set(stamps))
    assert stamps[-1] == read(whole)[1][-1].pts, "what lies behind the damage is there, at its time"
    assert any("damaged" in warning for warning in source.warnings)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_cut_off_video_gives_what_there_is_and_says_so(tmp_path: Path, suffix: str) -> None:
    whole = clips.write_video(
        tmp_path / f"whole{suffix}",
        [clips.picture(160, 96, index) for index in range(60)],
        options={"g": "10", "crf": "10"},
        container_options={"movflags": "+faststart"} if suffix == ".mp4" else None,
    )
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    source, frames = read(cut)
    assert 20 < len(frames) < 50
    assert any("cut off" in warning for warning in source.warnings)
    assert read(whole)[0].warnings == ()


def test_video_without_its_index_is_refused(tmp_path: Path) -> None:
    whole = clips.write_video(tmp_path / "whole.mp4", [clips.picture(64, 64, index) for index in range(30)])
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[:-400])
    with pytest.raises(MediaError, match=r"cut\.mp4") as caught:
        open_source(cut)
    assert str(tmp_path) not in str(caught.value)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    song = tmp_path / "song.m4a"
    with av.open(str(song), "w", format="mp4") as output:
        track = output.add_stream("aac", 48000)
        clips._write_tone(output, track, 0.2, 440)
    with pytest.raises(MediaError, match=r"song\.m4a holds only sound"):
        open_source(song)


def test_cover_art_is_not_a_video(tmp_path: Path) -> None:
    song = tmp_path / "song.m4a"
    with av.open(str(song), "w", format="mp4") as output:
        track = output.add_stream("aac", 48000)
        cover = output.add_stream("mjpeg", 1)
        cover.width = cover.height = 32
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(clips.picture(32, 32), "rgb24").reformat(format="yuvj420p")
        output.mux(cover.encode(frame))
        output.mux(cover.encode(None))
        clips._write_tone(output, track, 0.2, 440)
    with pytest.raises(MediaError, match="holds only sound"):
        open_source(song)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"These are notes, not a video. " * 50),
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nclip.ts\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", b"ffconcat version 1.0\nfile clip.ts\n"),
        ("empty.mp4", b""),
        ("noise.mp4", bytes(range(256)) * 64),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    """Also play lists, which would make FFmpeg open other files."""
    clips.write_video(tmp_path / "clip.ts", [clips.picture(64, 64, index) for index in range(5)])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError) as caught:
        open_source(tmp_path / name)
    assert name in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"no file gone\.mp4"):
        open_source(tmp_path / "gone.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(MediaError, match=r"folder\.mp4 is a folder"):
        open_source(tmp_path / "folder.mp4")


def test_names_that_look_like_protocols_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips.write_video(tmp_path / "concat:a.mkv", [clips.picture(32, 32)], **LOSSLESS, muxer="matroska")
    monkeypatch.chdir(tmp_path)
    assert probe(Path("concat:a.mkv")).width == 32


def test_frames_without_times_follow_each_other(tmp_path: Path) -> None:
    """A raw stream has no times at all; an AVI numbers its packets, not its pictures."""
    pictures = [clips.picture(64, 64, index) for index in range(8)]
    for name, muxer in (("raw.h264", "h264"), ("old.avi", "avi")):
        clip = clips.write_video(
            tmp_path / name, pictures, rate=Fraction(25), options={"bf": "3", "crf": "5"}, muxer=muxer
        )
        source, frames = read(clip)
        seconds = [frame.pts * frame.time_base for frame in frames]
        steps = {later - earlier for earlier, later in pairwise(seconds)}
        assert (len(frames), steps, seconds[0]) == (8, {Fraction(1, 25)}, 0), name
        assert source.warnings == (), name


def test_change_of_size_is_brought_to_the_first_one(tmp_path: Path) -> None:
    small = clips.write_video(tmp_path / "a.h264", [clips.picture(64, 48)] * 3, muxer="h264")
    large = clips.write_video(tmp_path / "b.h264", [clips.picture(128, 96)] * 3, muxer="h264")
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    source, frames = read(both)
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 6
    assert np.abs(frames[5].image.astype(int) - frames[0].image).mean() < 6
    assert any("size changes" in warning for warning in source.warnings)


def test_default_video_track_is_chosen_and_the_other_mentioned(tmp_path: Path) -> None:
    clip = tmp_path / "two.mkv"
    with av.open(str(clip), "w") as output:
        streams = []
        for width in (32, 64):
            stream = output.add_stream("ffv1", 25)
            stream.width, stream.height, stream.pix_fmt = width, 32, "bgr0"
            streams.append(stream)
        streams[1].disposition = av.stream.Disposition.default
        for stream in streams:
            frame = av.VideoFrame.from_ndarray(clips.picture(stream.width, 32), "rgb24").reformat(format="bgr0")
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    source, frames = read(clip)
    assert (source.info.width, len(frames)) == (64, 1)
    assert any("more than one video track" in warning for warning in source.warnings)


def test_too_many_pixels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedvr2.media.videos.video_source.MAX_PIXELS", 32 * 31)
    clip = clips.write_video(tmp_path / "huge.mkv", [clips.picture(32, 32)], **LOSSLESS)
    with pytest.raises(MediaError, match=r"huge\.mkv has more pixels"):
        open_source(clip)
