"""Pictures are written whole or not at all, in the format asked for, with all that the source carried."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from seedvr2.errors import MachineError, MediaError, OptionError
from seedvr2.media.info import Frame, Pixels
from seedvr2.media.pictures.deep_pictures import encode_deep_png
from seedvr2.media.pictures.picture_sink import PictureSink
from seedvr2.media.pictures.picture_source import PictureSource
from seedvr2.media.pictures.tags.picture_tags import PictureTags
from tests.seedvr2.media.profiles import SRGB, cmyk

RNG = np.random.default_rng(11)
SUFFIXES = [".png", ".jpg", ".webp", ".tiff"]


def smooth(height: int, width: int, channels: int = 3) -> np.ndarray:
    ramp = np.linspace(0, 255, height * width * channels).reshape(height, width, channels).astype(np.uint8)
    return np.ascontiguousarray(ramp)


def write(source: PictureSource, target: Path, suffix: str, image: Pixels) -> PictureSink:
    with PictureSink(target, suffix, source, image.shape[1], image.shape[0]) as sink:
        sink.write(image, Frame(image))
    return sink


def photo(path: Path, **extra: Any) -> PictureSource:
    """A source with everything that a camera writes."""
    exif = Image.Exif()
    exif[Base.Orientation], exif[Base.Make], exif[Base.Artist] = 6, "Maker", "Ada"
    exif.get_ifd(IFD.Exif).update({Base.DateTimeOriginal: "2020:01:02 03:04:05", Base.ExifImageWidth: 8})
    exif.get_ifd(IFD.GPSInfo).update({1: "N", 2: (52.0, 30.0, 0.0)})
    Image.fromarray(smooth(6, 8)).save(path, exif=exif.tobytes(), icc_profile=SRGB, dpi=(300, 300), **extra)
    source = PictureSource(path)
    next(source.frames())
    return source


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("channels", [3, 4])
def test_pixels_come_back(tmp_path: Path, suffix: str, channels: int) -> None:
    image = smooth(20, 30, channels)
    Image.fromarray(image).save(tmp_path / "in.png")
    sink = write(PictureSource(tmp_path / "in.png"), tmp_path / f"out{suffix}", suffix, image)
    (frame,) = PictureSource(tmp_path / f"out{suffix}").frames()
    if suffix == ".jpg" and channels == 4:
        assert "transparency" in sink.warnings[0]
        alpha = image[..., 3:] / 255
        assert np.abs(frame.image - (image[..., :3] * alpha + 255 * (1 - alpha))).mean() < 3
    else:
        assert sink.warnings == ()
        error = np.abs(frame.image.astype(int) - image)
        assert error.max() == 0 if suffix in (".png", ".tiff") else error[..., :3].mean() < 3


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_come_back(tmp_path: Path, suffix: str, channels: int) -> None:
    # Larger than one strip of a TIFF.
    image = RNG.integers(0, 65536, (300, 700, channels), dtype=np.uint16)
    (tmp_path / "in.png").write_bytes(encode_deep_png(image[:2, :2], PictureTags(icc=SRGB, dpi=(300, 300))))
    source = PictureSource(tmp_path / "in.png")
    next(source.frames())
    sink = write(source, tmp_path / f"out{suffix}", suffix, image)
    assert sink.bit_depth == 16 and sink.warnings == ()
    result = PictureSource(tmp_path / f"out{suffix}")
    (frame,) = result.frames()
    assert np.array_equal(frame.image, image)
    assert result.info.bit_depth == 16 and result.tags.icc == SRGB
    assert result.tags.dpi == pytest.approx((300, 300), rel=1e-4)
    # Another program's reader, which checks each strip or chunk, agrees to the bits that it keeps.
    with Image.open(tmp_path / f"out{suffix}") as other:
        assert np.array_equal(np.asarray(other), image >> 8)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_formats_of_eight_bits_say_so(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in.png").write_bytes(encode_deep_png(np.zeros((2, 2, 3), np.uint16), PictureTags()))
    sink = write(PictureSource(tmp_path / "in.png"), tmp_path / "out", suffix, smooth(2, 2))
    assert sink.bit_depth == 8 and "16 bits" in sink.warnings[0]


@pytest.mark.parametrize("origin", ["in.jpg", "in.png", "in.webp", "in.tif"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_profile_exif_and_resolution_are_kept(tmp_path: Path, origin: str, suffix: str) -> None:
    source = photo(tmp_path / origin)
    write(source, tmp_path / f"out{suffix}", suffix, smooth(32, 24))
    with Image.open(tmp_path / f"out{suffix}") as result:
        exif = result.getexif()
        assert result.info["icc_profile"] == SRGB
        assert (exif[Base.Make], exif[Base.Artist], exif.get(Base.Orientation, 1)) == ("Maker", "Ada", 1)
        details = exif.get_ifd(IFD.Exif)
        # Pillow itself drops these two directories from the TIFF that this test begins with.
        if origin != "in.tif":
            assert details[Base.DateTimeOriginal] == "2020:01:02 03:04:05"
            assert details[Base.ExifImageWidth] == 24
            assert exif.get_ifd(IFD.GPSInfo)[1] == "N"
        if suffix != ".webp" and origin != "in.webp":
            assert result.info["dpi"] == pytest.approx((300, 300), rel=1e-3)
        assert result.size == (24, 32)
        assert PictureSource(tmp_path / f"out{suffix}").info.width == 24


def test_tags_in_a_deep_png(tmp_path: Path) -> None:
    tags = photo(tmp_path / "in.jpg").tags
    (tmp_path / "x.png").write_bytes(encode_deep_png(np.zeros((4, 4, 3), np.uint16), tags))
    with Image.open(tmp_path / "x.png") as result:
        result.load()
        assert result.info["icc_profile"] == SRGB
        assert result.getexif()[Base.Make] == "Maker"
        assert result.info["dpi"] == pytest.approx((300, 300), rel=1e-4)


def test_a_cmyk_profile_is_not_put_on_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 6)).save(tmp_path / "in.tif", icc_profile=cmyk((136, 208, 195)))
    source = PictureSource(tmp_path / "in.tif")
    (frame,) = source.frames()
    write(source, tmp_path / "out.png", ".png", frame.image)
    with Image.open(tmp_path / "out.png") as result:
        assert "icc_profile" not in result.info and result.mode == "RGB"


def test_exif_too_long_for_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[Base.ImageDescription] = "long " * 20000
    Image.fromarray(smooth(6, 8)).save(tmp_path / "in.png", exif=exif)
    sink = write(PictureSource(tmp_path / "in.png"), tmp_path / "out.jpg", ".jpg", smooth(6, 8))
    assert "more than 64 KiB" in sink.warnings[0] and "choose png or tiff" in sink.warnings[0]
    with Image.open(tmp_path / "out.jpg") as result:
        assert not result.getexif()


def test_jpeg_keeps_full_colour_resolution(tmp_path: Path) -> None:
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 255
    Image.fromarray(stripes).save(tmp_path / "in.png")
    write(PictureSource(tmp_path / "in.png"), tmp_path / "out.jpg", ".jpg", stripes)
    (frame,) = PictureSource(tmp_path / "out.jpg").frames()
    assert np.abs(frame.image.astype(int) - stripes).mean() < 12


def test_webp_states_its_limit_before_any_work(tmp_path: Path) -> None:
    Image.fromarray(smooth(6, 8)).save(tmp_path / "in.png")
    with pytest.raises(OptionError, match="at most 16383"):
        PictureSink(tmp_path / "out.webp", ".webp", PictureSource(tmp_path / "in.png"), 16384, 100)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


@pytest.fixture
def source(tmp_path: Path) -> PictureSource:
    folder = tmp_path / "sources"
    folder.mkdir()
    Image.fromarray(smooth(6, 8)).save(folder / "in.png")
    return PictureSource(folder / "in.png")


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "sources")


def test_an_exception_leaves_nothing(tmp_path: Path, source: PictureSource) -> None:
    image = smooth(6, 8)
    with (
        pytest.raises(KeyboardInterrupt),
        PictureSink(tmp_path / "out.png", ".png", source, 8, 6) as sink,
    ):
        sink.write(image, Frame(image))
        assert left(tmp_path) == [".out.png.part"]
        raise KeyboardInterrupt
    assert left(tmp_path) == []


def test_a_sink_without_an_image_is_an_error(tmp_path: Path, source: PictureSource) -> None:
    with (
        pytest.raises(MediaError, match=r"out\.png was not written"),
        PictureSink(tmp_path / "out.png", ".png", source, 8, 6),
    ):
        pass
    assert left(tmp_path) == []


def test_the_target_is_never_overwritten(tmp_path: Path, source: PictureSource) -> None:
    image = smooth(6, 8)
    with (
        pytest.raises(MediaError, match=r"out\.png exists already"),
        PictureSink(tmp_path / "out.png", ".png", source, 8, 6) as sink,
    ):
        sink.write(image, Frame(image))
        (tmp_path / "out.png").write_text("somebody else was faster")
    assert left(tmp_path) == ["out.png"]
    assert (tmp_path / "out.png").read_text() == "somebody else was faster"
    with pytest.raises(MediaError, match=r"out\.png exists already"):
        PictureSink(tmp_path / "out.png", ".png", source, 8, 6)
    assert left(tmp_path) == ["out.png"]


def test_a_full_disk_is_said_so_and_leaves_nothing(
    tmp_path: Path, source: PictureSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    image = smooth(6, 8)
    with (
        pytest.raises(MachineError, match="disk is full"),
        PictureSink(tmp_path / "out.png", ".png", source, 8, 6) as sink,
    ):
        sink.write(image, Frame(image))
    assert left(tmp_path) == []


def test_images_of_another_shape_or_depth_are_refused(tmp_path: Path, source: PictureSource) -> None:
    sink = PictureSink(tmp_path / "out.png", ".png", source, 8, 6)
    for wrong in (smooth(8, 6), smooth(6, 8).astype(np.uint16)):
        with pytest.raises(ValueError, match="expected 8 bits"):
            sink.write(wrong, Frame(wrong))
    sink.abort()
    sink.abort()
    assert left(tmp_path) == []
