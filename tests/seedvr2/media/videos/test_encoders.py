"""Each container gets the codec that keeps what it can hold: transparency in WebM and QuickTime, there also 10 bits."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from seedvr2.media import Frame, Sink, Source, open_sink, open_source, output_suffix
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.options import UpscaleOptions
from tests.seedvr2.media import clips

CASES = Path(__file__).parents[3] / "fixtures" / "cases"
VP9 = {"codec": "libvpx-vp9", "layout": "yuva420p"}
WEB = {"cpu-used": "8", "crf": "10", "b": "0", "auto-alt-ref": "0"}
SOURCES: dict[str, dict[str, Any]] = {
    "vp9.webm": {**VP9, "options": WEB, "audio": [("libopus", {})]},
    "vp8.webm": {"codec": "libvpx", "layout": "yuva420p", "options": {**WEB, "b": "2M"}},
    "vp9.mkv": {**VP9, "options": WEB, "audio": [("aac", {})]},
    "prores.mov": {
        "codec": "prores_ks",
        "layout": "yuva444p10le",
        "options": {"profile": "4444", "alpha_bits": "16"},
        "audio": [("aac", {})],
    },
    "animation.mov": {"codec": "qtrle", "layout": "argb", "options": {}, "audio": [("pcm_s16le", {})]},
    "png.mov": {"codec": "png", "layout": "rgba", "options": {}},
    "ffv1.mkv": {"codec": "ffv1", "layout": "yuva420p", "options": {}, "audio": [("flac", {})]},
    "ut.avi": {"codec": "utvideo", "layout": "gbrap", "options": {}},
}


def disc(index: int) -> NDArray[np.uint8]:
    """A disc with a soft edge that moves."""
    y, x = np.mgrid[:64, :96]
    alpha = np.clip((24 - np.hypot(x - 36 - 4 * index, y - 32)) * 20, 0, 255).astype(np.uint8)
    return np.dstack([clips.picture(96, 64, index), alpha])


def clip_of(folder: Path, name: str) -> Path:
    return clips.write_video(folder / name, [disc(index) for index in range(4)], rate=Fraction(25), **SOURCES[name])


def copied(source: Path, target: Path, **options: Any) -> tuple[Source, Sink, list[Frame], list[Frame]]:
    """A clip through reader and writer, in the depth that the writer wants; frames before and after."""
    with open_source(source) as opened:
        frames = list(opened.frames())
        with open_sink(target, opened, opened.info.width, opened.info.height, UpscaleOptions(**options)) as sink:
            for frame in frames:
                sink.write(clips.fitted(frame.image, sink), frame)
    return opened, sink, frames, list(open_source(target).frames())


def levels(frame: Frame) -> NDArray[np.float64]:
    return frame.image / np.iinfo(frame.image.dtype).max * 255


def codecs(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [stream.codec_context.codec.canonical_name for stream in container.streams]


@pytest.mark.parametrize("name", SOURCES)
def test_transparent_video_stays_transparent(tmp_path: Path, name: str) -> None:
    clip = clip_of(tmp_path, name)
    suffix = output_suffix(open_source(clip).info, UpscaleOptions())
    assert suffix == (".webm" if name.startswith("vp") else ".mov")
    target = tmp_path / f"out{suffix}"
    source, sink, before, after = copied(clip, target)
    assert len(after) == len(before) == 4
    assert codecs(target)[0] == ("vp9" if suffix == ".webm" else "prores")
    for old, new in zip(before, after, strict=True):
        assert new.image.shape == (64, 96, 4)
        assert np.abs(levels(old)[..., 3] - levels(new)[..., 3]).mean() < 1
        solid = levels(old)[..., 3] > 250
        assert np.abs(levels(old)[solid, :3] - levels(new)[solid, :3]).mean() < 3
    assert [frame.pts * frame.time_base for frame in before] == [frame.pts * frame.time_base for frame in after]
    assert not any("transparent" in warning for warning in (*source.warnings, *sink.warnings))


@pytest.mark.parametrize("asked", ["mp4", "mkv"])
def test_advice_for_transparency_is_true(tmp_path: Path, asked: str) -> None:
    clip = clip_of(tmp_path, "vp9.webm")
    _, sink, _, after = copied(clip, tmp_path / f"out.{asked}", output_format=asked)
    (told,) = (warning for warning in sink.warnings if "transparent" in warning)
    assert told == (
        "The video is partly transparent; the result shows it on black. Choose output_format = webm or mov to keep it."
    )
    assert after[0].image.shape == (64, 96, 3)
    assert after[0].image[:, -8:].max() < 8
    for advised in ("webm", "mov"):
        _, other, _, kept = copied(clip, tmp_path / f"advised.{advised}", output_format=advised)
        assert kept[0].image.shape == (64, 96, 4)
        assert not any("transparent" in warning for warning in other.warnings)


def test_opaque_video_becomes_an_opaque_webm(tmp_path: Path) -> None:
    clip = clips.write_video(tmp_path / "clip.mp4", [clips.picture(96, 64, index) for index in range(4)])
    assert output_suffix(open_source(clip).info, UpscaleOptions()) == ".mp4"
    _, sink, before, after = copied(clip, tmp_path / "out.webm", output_format="webm")
    assert after[0].image.shape == (64, 96, 3)
    assert np.abs(levels(before[2]) - levels(after[2])).mean() < 3
    # Matroska, which it is, counts milliseconds.
    assert all(
        abs(old.pts * old.time_base - new.pts * new.time_base) <= Fraction(1, 2000)
        for old, new in zip(before, after, strict=True)
    )
    assert sink.warnings == ()
    with av.open(str(tmp_path / "out.webm")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("libdav1d" if context.name == "av1" else "vp9", "yuv420p")
        assert (context.colorspace, context.color_range) == (1, 1)


def test_quicktime_keeps_ten_bits(tmp_path: Path) -> None:
    """A ramp whose steps only 10 bits can tell apart."""
    codes = (400 + np.arange(96) // 2).astype(np.uint16)[None].repeat(64, 0)
    neutral = np.full((64, 96), 512, np.uint16)
    clip = clips.write_video(
        tmp_path / "clip.mkv",
        [clips.frame_of([codes, neutral, neutral], "yuv444p10le")] * 2,
        codec="ffv1",
        layout="yuv444p10le",
        options={},
        tags=(1, 1, 1, 1),
    )
    _, sink, before, after = copied(clip, tmp_path / "out.mov", output_format="mov")
    assert sink.bit_depth == 16
    assert sink.warnings == ()
    assert np.abs(levels(before[0]) - levels(after[0])).max() < 0.5
    assert len(np.unique(after[0].image[32, :, 1])) >= 40
    _, sink, _, after = copied(clip, tmp_path / "out.mp4", profile="web")
    assert sink.bit_depth == 8
    advice = "choose profile = quality for 10."
    assert sink.warnings == (f"The video has 10 bits per sample; the result has 8; {advice}",)
    assert len(np.unique(after[0].image[32, :, 1])) < 20


@pytest.mark.parametrize("asked", ["mp4", "mkv"])
def test_hevc_keeps_ten_bits_and_what_is_said_of_the_light(tmp_path: Path, asked: str) -> None:
    target = tmp_path / f"out.{asked}"
    source, sink, before, after = copied(CASES / "42_hdr10.mp4", target, output_format=asked, video_codec="hevc")
    assert isinstance(source, VideoSource)
    assert sink.bit_depth == 16
    assert sink.warnings == ()
    result = open_source(target)
    assert isinstance(result, VideoSource)
    assert (result.info.codec, result.info.bit_depth) == ("hevc", 10)
    assert source.light.levels == (1000, 400)
    assert source.light.display == (34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450, 10_000_000, 1)
    assert result.light == source.light
    assert (result.tags.primaries, result.tags.transfer, result.tags.matrix) == (9, 16, 9)
    # At the edges of saturated bars the chroma of 4:2:0 bleeds.
    assert np.median(np.abs(levels(before[3]) - levels(after[3]))) < 1
    assert [frame.pts * frame.time_base for frame in before] == [frame.pts * frame.time_base for frame in after]
    if asked == "mp4":
        assert b"hvc1" in target.read_bytes()


def test_hevc_of_eight_bits_has_eight(tmp_path: Path) -> None:
    clip = clips.write_video(tmp_path / "clip.mp4", [clips.picture(96, 64, index) for index in range(4)])
    _, sink, before, after = copied(clip, tmp_path / "out.mp4", video_codec="hevc")
    assert sink.bit_depth == 8
    assert open_source(tmp_path / "out.mp4").info.codec == "hevc"
    assert np.abs(levels(before[2]) - levels(after[2])).mean() < 2


def test_advice_for_a_high_dynamic_range_is_true(tmp_path: Path) -> None:
    _, sink, _, _ = copied(CASES / "42_hdr10.mp4", tmp_path / "out.mp4", video_codec="h264")
    (told,) = (warning for warning in sink.warnings if "dynamic range" in warning)
    assert told.endswith("choose profile = quality and leave video_codec at auto for 10.")
    for name, options in (("auto.mp4", {}), ("out.mp4", {"profile": "quality"}), ("out.mov", {"output_format": "mov"})):
        _, sink, _, _ = copied(CASES / "42_hdr10.mp4", tmp_path / f"deep-{name}", **options)
        assert sink.warnings == ()


@pytest.mark.parametrize(
    ("sound", "asked", "codec", "told"),
    [
        ("libopus", "webm", "opus", ""),
        ("aac", "webm", "opus", "coded anew as Opus"),
        ("pcm_s16le", "webm", "opus", "coded anew as Opus"),
        ("aac", "mov", "aac", ""),
        ("pcm_s16le", "mov", "pcm_s16le", ""),
        ("libopus", "mov", "aac", "coded anew as AAC"),
    ],
)
def test_sound_goes_along(tmp_path: Path, sound: str, asked: str, codec: str, told: str) -> None:
    clip = clips.write_video(
        tmp_path / "clip.mkv", [clips.picture(32, 32, index) for index in range(10)], audio=[(sound, {})]
    )
    _, sink, _, _ = copied(clip, tmp_path / f"out.{asked}", output_format=asked)
    assert codecs(tmp_path / f"out.{asked}") == ["vp9" if asked == "webm" else "prores", codec]
    assert [told in warning for warning in sink.warnings] == [True] * bool(told)
    seconds = [
        sum(packet.duration * packet.time_base for packet in clips.packets(path, 1))
        for path in (clip, tmp_path / f"out.{asked}")
    ]
    assert abs(float(seconds[0] - seconds[1])) < 0.05


def test_subtitles_become_text_of_the_container(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    with av.open(str(clip), "w") as output:
        video = output.add_stream("libx264", 25, options=clips.FAST)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        text: Any = output.add_stream("srt")
        text.codec_context.subtitle_header = b"[Script Info]\n"
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(clips.picture(32, 32, index), "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        line: av.Packet[Any] = av.Packet(b"Hello")
        line.stream, line.pts, line.dts, line.duration, line.time_base = text, 500, 500, 1000, Fraction(1, 1000)
        output.mux(line)
    for asked, codec in (("webm", "webvtt"), ("mov", "mov_text")):
        target = tmp_path / f"out.{asked}"
        copied(clip, target, output_format=asked)
        assert codecs(target)[1] == codec
        assert b"Hello" in b"".join(bytes(packet) for packet in clips.packets(target, 1))
