"""What each profile makes of videos of every kind, as FFmpeg's own reader sees it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from seedvr2.errors import OptionError
from seedvr2.media import open_sink, open_source, output_suffix
from seedvr2.media.videos import hardware
from seedvr2.media.videos.frame_coder import encoder_identity, encoder_of
from seedvr2.media.videos.video_source import VideoSource
from seedvr2.options import UpscaleOptions
from tests.seedvr2.media import clips

HDR10 = Path(__file__).parents[3] / "fixtures" / "cases" / "42_hdr10.mp4"
# What DNxHR takes, and no round number.
SIZE = (258, 122)
KINDS: dict[str, dict[str, Any]] = {
    "web": {"profile": "web"},
    "web in webm": {"profile": "web", "output_format": "webm"},
    "quality": {"profile": "quality"},
    "quality in mov": {"profile": "quality", "output_format": "mov"},
    "AV1": {"profile": "quality", "video_codec": "av1"},
    "AV1 in mkv": {"profile": "quality", "video_codec": "av1", "output_format": "mkv"},
    "AV1 in webm": {"profile": "quality", "output_format": "webm"},
    "archive": {"profile": "archive"},
    "edit": {"profile": "edit"},
    "edit in mkv": {"profile": "edit", "output_format": "mkv"},
    "DNxHR": {"profile": "edit", "video_codec": "dnxhr"},
}
# Container, codec and samples for a video of 8 bits, for a deeper one, and for a transparent one.
MADE = {
    "web": (".mp4 h264 yuv420p", ".mp4 h264 yuv420p", ".webm vp9 yuva420p"),
    "web in webm": (".webm vp9 yuv420p", ".webm vp9 yuv420p", ".webm vp9 yuva420p"),
    "quality": (".mp4 hevc yuv420p10le", ".mp4 hevc yuv420p10le", ".mp4 hevc yuv420p10le"),
    "quality in mov": (".mov hevc yuv420p10le", ".mov hevc yuv420p10le", ".mov hevc yuv420p10le"),
    "AV1": (".mp4 av1 yuv420p10le", ".mp4 av1 yuv420p10le", ".mp4 av1 yuv420p10le"),
    "AV1 in mkv": (".mkv av1 yuv420p10le", ".mkv av1 yuv420p10le", ".mkv av1 yuv420p10le"),
    "AV1 in webm": (".webm av1 yuv420p10le", ".webm av1 yuv420p10le", ".webm av1 yuv420p10le"),
    "archive": (".mkv ffv1 gbrp10le", ".mkv ffv1 gbrp10le", ".mkv ffv1 gbrap10le"),
    "edit": (".mov prores yuv422p10le", ".mov prores yuv422p10le", ".mov prores yuva444p12le"),
    "edit in mkv": (".mkv prores yuv422p10le", ".mkv prores yuv422p10le", ".mkv prores yuva444p12le"),
    "DNxHR": (".mov dnxhd yuv422p10le", ".mov dnxhd yuv422p10le", ".mov dnxhd yuv422p10le"),
}
SHALLOW = {"web", "web in webm"}


def shades(index: int) -> NDArray[np.uint16]:
    """Smooth shades from black to the most, which move and show every step of 10 bits; 16 bits."""
    width, height = SIZE
    y, x = np.mgrid[:height, :width]
    red = x / (width - 1)
    green = (y + index) / (height + 5)
    blue = 1 - red
    return np.rint(np.stack([red, green, blue], -1) * 65535).astype(np.uint16)


def clip_of(folder: Path, kind: str) -> Path:
    """Six frames: of 8 or 10 bits, with the tags of SDR or HLG, transparent, or at uneven times."""
    if kind == "HDR10":
        return HDR10
    images = [shades(index) for index in range(6)]
    if kind == "alpha":
        solid = [np.rint(image / 257).astype(np.uint8) for image in images]
        clear = [np.dstack([image, np.where(image[..., 0] > 90, 255, 40).astype(np.uint8)]) for image in solid]
        return clips.write_video(folder / "in.mov", clear, codec="png", layout="rgba", options={})
    deep = kind in ("10 bits", "HLG")
    layout = "yuv444p10le" if deep else "yuv444p"
    tags = (9, 18, 9, 1) if kind == "HLG" else (1, 1, 1, 1)
    matrix = tags[2]
    frames = []
    for image in images:
        codes = clips.encode_yuv(image / 65535, matrix, full=False, bits=10 if deep else 8)
        planes = np.moveaxis(np.rint(codes).astype(np.uint16 if deep else np.uint8), -1, 0)
        frames.append(clips.frame_of(list(planes), layout))
    times = [0, 1, 5, 6, 20, 21] if kind == "uneven" else None
    return clips.write_video(
        folder / "in.mkv", frames, codec="ffv1", layout=layout, options={}, tags=tags, times=times,
        time_base=Fraction(1, 25), rate=Fraction(25),
    )  # fmt: skip


def made(source: Path, folder: Path, **words: Any) -> tuple[Path, tuple[str, ...], list[NDArray[Any]]]:
    """A result of the size of the tests, its warnings, and the images that it was made of."""
    options, images = UpscaleOptions.parse(words), []
    with open_source(source) as opened:
        target = folder / f"out{output_suffix(opened.info, options)}"
        with open_sink(target, opened, *SIZE, options) as sink:
            for frame in opened.frames():
                rows = np.arange(SIZE[1]) * frame.image.shape[0] // SIZE[1]
                columns = np.arange(SIZE[0]) * frame.image.shape[1] // SIZE[0]
                images.append(clips.fitted(frame.image[rows][:, columns], sink))
                sink.write(images[-1], frame)
    return target, sink.warnings, images


def stored(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        yield from container.decode(video=0)


def shown_as(path: Path) -> str:
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return f"{path.suffix} {context.codec.canonical_name} {context.pix_fmt}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", ["8 bits", "10 bits", "HDR10", "HLG", "alpha", "uneven"])
def test_a_profile_keeps_what_it_says_that_it_keeps(tmp_path: Path, kind: str, source: str) -> None:
    clip = clip_of(tmp_path, source)
    target, warnings, given = made(clip, tmp_path, **KINDS[kind])
    plain, deep, clear = MADE[kind]
    expected = {"alpha": clear, "8 bits": plain, "uneven": plain}.get(source, deep)
    # The stream's header does not say that another one beside it is the transparency.
    assert shown_as(target) == expected.replace("vp9 yuva", "vp9 yuv")
    with open_source(clip) as before, open_source(target) as after:
        assert isinstance(before, VideoSource) and isinstance(after, VideoSource)
        frames = list(after.frames())
        times = [frame.pts * frame.time_base for frame in before.frames()]
        assert [float(frame.pts * frame.time_base) for frame in frames] == pytest.approx(times, abs=0.001)
        if source in ("HDR10", "HLG"):
            assert (after.tags.primaries, after.tags.transfer) == (9, 16 if source == "HDR10" else 18)
            assert after.light == before.light
            assert after.tags.matrix == 9
        elif "vp9 yuva" not in expected:  # whose decoder does not hand on what the container says
            assert (after.tags.primaries, after.tags.transfer) == (1, 1)
    for image, frame in zip(given, frames, strict=True):
        asked, got = (each.astype(float) / np.iinfo(each.dtype).max for each in (image, frame.image))
        assert got.shape[2] == (4 if "yuva" in expected or "gbra" in expected else 3)
        if source != "alpha":
            # The bars of HDR10 have edges that chroma of 4:2:0 cannot have.
            assert np.abs(asked - got).mean() < (0.03 if source == "HDR10" else 0.01)
            # Nothing is clipped: what is brightest and darkest stays so.
            assert abs(asked.max() - got.max()) < 0.02 and abs(asked.min() - got.min()) < 0.02
        elif got.shape[2] == 4:
            assert np.abs(asked[..., 3] - got[..., 3]).mean() < 0.02
    told = [warning for warning in warnings if "transparent" in warning or "bits" in warning]
    transparent = source == "alpha" and frames[0].image.shape[2] == 3
    assert len(told) == transparent + (kind in SHALLOW and source in ("10 bits", "HDR10", "HLG")), warnings
    assert len(warnings) == len(told)


@pytest.mark.parametrize("kind", ["quality", "AV1", "archive", "edit", "DNxHR"])
def test_ten_bits_are_ten_bits(tmp_path: Path, kind: str) -> None:
    """More steps than 8 bits have, also from a source of 8 bits: what was restored is finer."""
    target, _, _ = made(clip_of(tmp_path, "10 bits"), tmp_path, **KINDS[kind])
    with open_source(target) as result:
        image = next(iter(result.frames())).image
    assert image.dtype == np.uint16
    with open_source(clip_of(tmp_path, "8 bits")) as source:
        assert encoder_of(".mov", source, SIZE, UpscaleOptions.parse({"profile": "quality"}).wish).bit_depth == 16
    assert len(np.unique(image[60])) > 256


@pytest.mark.parametrize(
    ("layout", "bits"),
    [("yuv420p", 10), ("bgra", 10), ("yuv422p10le", 10), ("yuv444p12le", 12), ("gbrp16le", 16), ("gbrap16le", 16)],
)
def test_the_archive_has_the_images_to_the_last_bit_of_its_samples(tmp_path: Path, layout: str, bits: int) -> None:
    alpha = layout in ("bgra", "gbrap16le")
    images = [clips.picture(64, 48, index) for index in range(2)]
    if alpha:
        images = [np.dstack([image, image[..., 0]]) for image in images]
    clip = clips.write_video(tmp_path / "in.mkv", images, codec="ffv1", layout=layout, options={"level": "3"})
    noise = np.random.default_rng(bits).integers(0, 65536, (2, 48, 64, 4 if alpha else 3), dtype=np.uint16)
    noise[0, 0, 0], noise[0, 0, 1] = 0, 65535
    options = UpscaleOptions.parse({"profile": "archive"})
    target = tmp_path / "out.mkv"
    with open_source(clip) as source, open_sink(target, source, 64, 48, options) as sink:
        assert sink.bit_depth == 16
        for frame, image in zip(source.frames(), noise, strict=True):
            sink.write(image, frame)
    assert sink.warnings == ()
    frames = list(stored(target))
    assert [frame.format.name for frame in frames] == [f"gbr{'a' if alpha else ''}p{bits}le"] * 2
    assert all(frame.key_frame for frame in frames)
    peak = (1 << bits) - 1
    codes = np.rint(noise.astype(float) * peak / 65535)
    with open_source(target) as result:
        for image, wanted in zip((frame.image for frame in result.frames()), codes, strict=True):
            assert np.array_equal(np.rint(image.astype(float) * peak / 65535), wanted)
    with av.open(str(target)) as container:
        header = container.streams.video[0].codec_context.extradata
    assert header


def test_prores_and_dnxhr_come_in_the_kind_that_is_asked_for(tmp_path: Path) -> None:
    clip = clip_of(tmp_path, "8 bits")
    for number, (words, expected) in enumerate(
        [
            ({"profile": "edit", "encoder_preset": "proxy"}, ("apco", "yuv422p10le")),
            ({"profile": "edit", "encoder_preset": "4444"}, ("ap4h", "yuv444p12le")),
            ({"encoder": "dnxhd", "encoder_preset": "sq"}, ("AVdh", "yuv422p")),
            ({"encoder": "dnxhd", "encoder_preset": "444"}, ("AVdh", "yuv444p10le")),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        target, _, _ = made(clip, folder, **words)
        with av.open(str(target)) as container:
            context = container.streams.video[0].codec_context
            assert (context.codec_tag, context.pix_fmt) == expected


def test_pictures_that_are_too_small_are_refused_with_the_size(tmp_path: Path) -> None:
    with open_source(clip_of(tmp_path, "8 bits")) as source:
        options = UpscaleOptions.parse({"video_codec": "dnxhr"})
        with pytest.raises(OptionError, match=r"at least 256 x 120 pixels, .* has 254 x 122"):
            open_sink(tmp_path / "out.mov", source, 254, 122, options)
    assert not list(tmp_path.glob("*out*"))


def test_crf_and_preset_reach_the_encoder(tmp_path: Path) -> None:
    clip, sizes = clip_of(tmp_path, "8 bits"), []
    for number, crf in enumerate((-1, 18, 40)):
        folder = tmp_path / str(number)
        folder.mkdir()
        sizes.append(made(clip, folder, crf=crf)[0].stat().st_size)
    assert sizes[0] == sizes[1] > sizes[2]
    with open_source(clip) as source:
        wish = UpscaleOptions.parse({"crf": 17.5, "encoder_preset": "veryfast"}).wish
        options = encoder_of(".mp4", source, SIZE, wish).options
    assert (options["crf"], options["preset"]) == ("17.5", "veryfast")


def test_what_a_transparent_source_has_no_use_for_is_told_of(tmp_path: Path) -> None:
    target, warnings, _ = made(clip_of(tmp_path, "alpha"), tmp_path, crf=20)
    assert shown_as(target).startswith(".mov prores")
    assert warnings == (
        "crf = 20 was not used: prores_ks, which makes ProRes, has no crf, as encoder_preset sets its quality; leave "
        "crf at -1.",
    )


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, ...]]]:
    """A card that codes HEVC of up to 10 bits, pictures of at least 145 pixels' width, and no AV1."""
    asked: list[tuple[Any, ...]] = []

    def open_once(codec: str, layout: str, width: int, height: int, options: dict[str, str]) -> None:
        asked.append((codec, layout, width, height, options["cq"]))
        if codec == "av1_nvenc" or width < 145:
            raise av.error.ExternalError(0, "No capable devices found")

    monkeypatch.setattr(hardware, "open_once", open_once)
    hardware.trouble_with.cache_clear()
    yield asked
    hardware.trouble_with.cache_clear()


def test_a_card_is_asked_once_for_what_it_codes(tmp_path: Path, card: list[tuple[Any, ...]]) -> None:
    wish = UpscaleOptions.parse({"encoder": "hevc_nvenc", "crf": 25}).wish
    with open_source(HDR10) as source:
        encoder = encoder_of(".mp4", source, SIZE, wish)
        assert encoder == encoder_of(".mp4", source, SIZE, wish)
    assert card == [("hevc_nvenc", "p010le", *SIZE, "25")]
    assert (encoder.codec, encoder.bit_depth, encoder.tag, encoder.notes) == ("hevc_nvenc", 16, "hvc1", ())
    assert not encoder_identity(encoder)["repeats"]


@pytest.mark.parametrize(
    ("name", "size", "instead"),
    [("av1_nvenc", SIZE, "libsvtav1"), ("hevc_nvenc", (144, 90), "libx265"), ("h264_nvenc", (64, 64), "libx264")],
)
def test_a_card_that_cannot_makes_way_with_one_warning(
    tmp_path: Path, card: list[tuple[Any, ...]], name: str, size: tuple[int, int], instead: str
) -> None:
    with open_source(clip_of(tmp_path, "8 bits")) as source:
        wish = UpscaleOptions.parse({"encoder": name, "crf": 25, "encoder_preset": "p7"}).wish
        encoder = encoder_of(".mp4", source, size, wish)
    assert encoder.codec == instead
    assert encoder_identity(encoder)["repeats"]
    (note,) = encoder.notes
    assert note.startswith(f"{name} cannot code this video on this machine (")
    assert note.endswith(f"so {instead} coded it with its usual settings.")


def test_a_machine_without_a_card_codes_in_software(tmp_path: Path) -> None:
    """By really asking FFmpeg, which has no card here."""
    if not hardware.trouble_with("h264_nvenc", "yuv420p", *SIZE, ()):
        pytest.skip("there is a card")
    target, warnings, _ = made(clip_of(tmp_path, "8 bits"), tmp_path, encoder="h264_nvenc")
    assert shown_as(target) == ".mp4 h264 yuv420p"
    assert len(warnings) == 1 and "so libx264 coded it" in warnings[0]
