"""Each file gets the reader that fits its content, and each result the format that was asked for."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seedvr2.errors import MediaError, OptionError
from seedvr2.media import MediaInfo, open_sink, open_source, output_suffix, probe
from seedvr2.options import UpscaleOptions
from tests.seedvr2.media import clips


def info(kind: str, audio: tuple[str, ...] = ()) -> MediaInfo:
    return MediaInfo(
        kind="picture" if kind == "picture" else "video",
        animation=kind == "animation",
        width=16,
        height=16,
        frames=1,
        fps=None,
        duration_s=None,
        has_alpha=False,
        bit_depth=8,
        codec="",
        format="",
        audio_codecs=audio,
    )


@pytest.mark.parametrize(
    ("kind", "audio", "asked", "suffix"),
    [
        ("video", (), "auto", ".mp4"),
        ("video", ("aac", "ac3", "opus"), "auto", ".mp4"),
        ("video", ("aac", "pcm_s24le"), "auto", ".mkv"),
        ("video", ("vorbis",), "auto", ".mkv"),
        ("video", ("vorbis",), "mp4", ".mp4"),
        ("video", (), "mkv", ".mkv"),
        ("picture", (), "auto", ".png"),
        ("picture", (), "jpg", ".jpg"),
        ("picture", (), "webp", ".webp"),
        ("picture", (), "tiff", ".tiff"),
        ("animation", (), "auto", ".mp4"),
        ("animation", (), "gif", ".gif"),
        ("animation", (), "webp", ".webp"),
        ("animation", (), "png", ".png"),
    ],
)
def test_suffix_follows_the_source_and_the_wish(kind: str, audio: tuple[str, ...], asked: str, suffix: str) -> None:
    assert output_suffix(info(kind, audio), UpscaleOptions(output_format=asked)) == suffix


@pytest.mark.parametrize(
    ("kind", "asked"),
    [("video", "png"), ("video", "gif"), ("animation", "jpg"), ("picture", "mp4"), ("picture", "gif")],
)
def test_format_that_cannot_be_is_an_option_error(kind: str, asked: str) -> None:
    with pytest.raises(OptionError) as caught:
        output_suffix(info(kind), UpscaleOptions(output_format=asked))
    assert caught.value.name == "output_format"
    assert asked in str(caught.value)


def test_content_counts_and_not_the_name(tmp_path: Path) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "picture.mp4", "PNG")
    clips.write_video(tmp_path / "clip.mkv", [clips.picture(32, 32)])
    shutil.move(tmp_path / "clip.mkv", tmp_path / "clip.png")
    assert (probe(tmp_path / "picture.mp4").kind, probe(tmp_path / "clip.png").kind) == ("picture", "video")


@pytest.mark.parametrize(
    ("name", "asked", "starts"),
    [
        ("out.mp4", "auto", b"ftyp"),
        ("out.mkv", "auto", b"\x1a\x45\xdf\xa3"),
        ("OUT.MKV", "auto", b"\x1a\x45\xdf\xa3"),
        ("out.mkv", "mkv", b"\x1a\x45\xdf\xa3"),
        ("out", "auto", b"ftyp"),
    ],
)
def test_name_of_the_target_tells_the_format(tmp_path: Path, name: str, asked: str, starts: bytes) -> None:
    clip = clips.write_video(tmp_path / "clip.mp4", [clips.picture(32, 32)])
    clips.upscale(clip, tmp_path / name, output_format=asked)
    assert starts in (tmp_path / name).read_bytes()[:12]


@pytest.mark.parametrize(
    ("name", "asked"), [("out.png", "auto"), ("out.avi", "auto"), ("out.mkv", "mp4"), ("out.mp4", "mov")]
)
def test_name_that_contradicts_the_format_is_refused(tmp_path: Path, name: str, asked: str) -> None:
    source = open_source(clips.write_video(tmp_path / "clip.mp4", [clips.picture(32, 32)]))
    with pytest.raises(OptionError, match=rf"{name}.*\.mp4, \.mkv"):
        open_sink(tmp_path / name, source, 32, 32, UpscaleOptions(output_format=asked))
    assert not (tmp_path / name).exists()


def test_picture_spellings_are_understood(tmp_path: Path) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "in.png")
    for name, kind in (("a.jpeg", "JPEG"), ("a.TIF", "TIFF"), ("a.webp", "WEBP")):
        with open_source(tmp_path / "in.png") as source:
            (frame,) = source.frames()
            with open_sink(tmp_path / name, source, 8, 6, UpscaleOptions()) as sink:
                sink.write(frame.image, frame)
        with Image.open(tmp_path / name) as image:
            assert image.format == kind


def test_heic_is_refused_by_name(tmp_path: Path) -> None:
    head = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    (tmp_path / "photo.heic").write_bytes(head + bytes(200))
    with pytest.raises(MediaError, match=r"photo\.heic is a HEIC picture"):
        open_source(tmp_path / "photo.heic")


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif"])
def test_picture_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedvr2.media.opening.MAX_PIXELS", 32 * 24 - 1)
    animation(tmp_path / f"bomb{suffix}", [100, 100])
    with pytest.raises(MediaError, match=rf"bomb\{suffix} has more pixels"):
        open_source(tmp_path / f"bomb{suffix}")


def animation(path: Path, durations: list[int], transparent: bool = False) -> list[np.ndarray]:
    images = []
    for index in range(len(durations)):
        image = np.zeros((24, 32, 4), np.uint8)
        image[..., index % 3] = 200
        image[..., 3] = 255
        if transparent:
            image[:8, :8, 3] = 0
        images.append(image)
    first, *others = [Image.fromarray(image if transparent else image[..., :3]) for image in images]
    exact = (
        {} if path.suffix in (".gif", ".png") else {"lossless": True} if path.suffix == ".webp" else {"quality": 100}
    )
    disposal = {"disposal": 2} if path.suffix == ".gif" and transparent else {}
    first.save(path, save_all=True, append_images=others, duration=durations, **exact, **disposal)
    return images


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".avif"])
def test_animations_are_videos_with_their_own_times(tmp_path: Path, suffix: str) -> None:
    durations = [100, 200, 50, 400]
    images = animation(tmp_path / f"anim{suffix}", durations)
    with open_source(tmp_path / f"anim{suffix}") as source:
        found = source.info
        assert (found.kind, found.width, found.height, found.frames) == ("video", 32, 24, 4)
        assert (found.fps, found.duration_s, found.has_alpha) == (Fraction(4000, 750), 0.75, False)
        frames = list(source.frames())
    assert [frame.pts * frame.time_base for frame in frames] == [0, Fraction(1, 10), Fraction(3, 10), Fraction(7, 20)]
    assert [frame.duration for frame in frames] == durations
    for frame, image in zip(frames, images, strict=True):
        assert frame.image.flags.writeable
        assert np.abs(frame.image.astype(int) - image[..., :3]).max() <= (3 if suffix == ".avif" else 0)


def test_animation_becomes_a_video_with_transparency_laid_on_white(tmp_path: Path) -> None:
    animation(tmp_path / "anim.gif", [100, 100, 30], transparent=True)
    source, sink = clips.upscale(tmp_path / "anim.gif", tmp_path / "out.mp4")
    assert source.info.has_alpha
    assert any("on white. Choose output_format = webp or png to keep it" in warning for warning in sink.warnings)
    result = open_source(tmp_path / "out.mp4")
    frames = list(result.frames())
    assert [frame.pts * frame.time_base for frame in frames] == [0, Fraction(1, 10), Fraction(1, 5)]
    assert frames[0].image[2:5, 2:5].min() > 240


@pytest.mark.parametrize("suffix", [".webm", ".mov"])
def test_animation_keeps_its_transparency_where_that_is_asked_for(tmp_path: Path, suffix: str) -> None:
    animation(tmp_path / "anim.gif", [100, 100, 30], transparent=True)
    source, sink = clips.upscale(tmp_path / "anim.gif", tmp_path / f"out{suffix}")
    frames = list(open_source(tmp_path / f"out{suffix}").frames())
    assert (frames[0].image.shape[2], frames[0].image[2:5, 2:5, 3].max() < 8) == (4, True)
    assert output_suffix(source.info, UpscaleOptions()) == ".mp4", "stickers become what plays everywhere"
    assert sink.warnings == ()


def test_animation_without_times_runs_as_in_a_browser(tmp_path: Path) -> None:
    animation(tmp_path / "anim.gif", [0, 0, 0])
    with open_source(tmp_path / "anim.gif") as source:
        assert [frame.pts for frame in source.frames()] == [0, 100, 200]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".avif"])
def test_still_ones_are_pictures(tmp_path: Path, suffix: str) -> None:
    Image.new("RGB", (32, 24), (200, 10, 10)).save(tmp_path / f"still{suffix}")
    assert probe(tmp_path / f"still{suffix}").kind == "picture"


def test_cut_off_animation_is_refused(tmp_path: Path) -> None:
    animation(tmp_path / "anim.webp", [100] * 4)
    data = (tmp_path / "anim.webp").read_bytes()
    (tmp_path / "cut.webp").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=r"cut\.webp"), open_source(tmp_path / "cut.webp") as source:
        list(source.frames())
