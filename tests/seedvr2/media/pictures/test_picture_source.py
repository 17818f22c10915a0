"""Pictures are read as a viewer shows them, whatever their format, mode, depth and orientation."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from seedvr2.errors import MediaError
from seedvr2.media import open_source
from seedvr2.media.info import Frame
from seedvr2.media.pictures.deep_pictures import encode_deep_png
from seedvr2.media.pictures.picture_source import PictureSource
from seedvr2.media.pictures.tags.picture_tags import PictureTags
from seedvr2.media.pictures.tiff_writer import encode_tiff
from tests.seedvr2.media.pictures.test_film_source import encoded
from tests.seedvr2.media.profiles import SRGB, cmyk, linear_gray

RNG = np.random.default_rng(7)
RGB8 = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
RGBA8 = RNG.integers(0, 256, (6, 8, 4), dtype=np.uint8)
RGB16 = RNG.integers(0, 65536, (6, 8, 3), dtype=np.uint16)
RGBA16 = RNG.integers(0, 65536, (6, 8, 4), dtype=np.uint16)


def read(path: Path) -> tuple[PictureSource, Frame]:
    """Read a picture and check that its header told what its pixels turned out to be."""
    source = PictureSource(path)
    (frame,) = source.frames()
    info, image = source.info, frame.image
    assert image.shape == (info.height, info.width, 4 if info.has_alpha else 3)
    assert image.dtype == (np.uint16 if info.bit_depth == 16 else np.uint8)
    assert image.flags.c_contiguous and image.flags.writeable
    assert (info.kind, info.frames, info.fps) == ("picture", 1, None)
    return source, frame


@pytest.mark.parametrize(
    "suffix",
    ["png", "bmp", "tif", "webp", "gif", "avif", "jpg", "ppm", "jp2", "j2k", "tga", "pcx", "sgi", "qoi", "dds"],
)
def test_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    smooth = np.linspace(0, 255, 16 * 16 * 3).reshape(16, 16, 3).astype(np.uint8)
    Image.fromarray(smooth).save(
        path, **({"quality": 100, "subsampling": "4:4:4"} if suffix in ("jpg", "avif") else {})
    )
    source, frame = read(path)
    wanted = {"tif": "tiff", "jpg": "jpeg", "jp2": "jpeg2000", "j2k": "jpeg2000"}
    assert source.info.format == wanted.get(suffix, suffix)
    assert np.abs(frame.image.astype(int) - smooth).mean() < (12 if suffix == "gif" else 4)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "YCbCr"])
def test_modes_look_as_pillow_shows_them(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(RGBA8 if mode in ("LA", "RGBA") else RGB8).convert(mode)
    path = tmp_path / ("x.tif" if mode == "YCbCr" else "x.png")
    picture.save(path)
    source, frame = read(path)
    assert source.info.has_alpha == (mode in ("LA", "RGBA"))
    with Image.open(path) as saved:
        assert np.array_equal(frame.image, np.asarray(saved.convert("RGBA" if source.info.has_alpha else "RGB")))


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_a_transparent_colour_becomes_alpha(tmp_path: Path, mode: str) -> None:
    picture = Image.new(mode, (4, 2), {"L": 9, "P": 3, "RGB": (1, 2, 3)}[mode])
    if mode == "P":
        picture.putpalette([level for level in range(256) for _ in range(3)])
    picture.putpixel((1, 0), {"L": 200, "P": 5, "RGB": (7, 7, 7)}[mode])
    picture.save(tmp_path / "x.png", transparency={"L": 9, "P": 3, "RGB": (1, 2, 3)}[mode])
    _, frame = read(tmp_path / "x.png")
    assert frame.image[0, :2, 3].tolist() == [0, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "deep.png", "deep.tif"])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    # What EXIF says of the stored rows and columns, spelled out for the picture 012/345.
    shown = ["012/345", "210/543", "543/210", "345/012", "03/14/25", "30/41/52", "52/41/30", "25/14/03"]
    stored = np.arange(6).reshape(2, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x.{suffix}"
    if suffix.startswith("deep"):
        deep = np.repeat(stored[..., None], 3, axis=2).astype(np.uint16) * 1000
        tags = PictureTags(exif=exif.tobytes())
        raw = tiff(3, 2, deep.astype(">u2").tobytes(), t258=(16,) * 3, t262=2, t277=3, t274=orientation)
        path.write_bytes(encode_deep_png(deep, tags) if suffix.endswith("png") else raw)
    else:
        pixels = np.repeat(stored[..., None], 3, axis=2).astype(np.uint8) * 40
        Image.fromarray(pixels).save(path, exif=exif, lossless=True)
    source, frame = read(path)
    values = frame.image[..., 0] // (1000 if suffix.startswith("deep") else 40)
    assert "/".join("".join(map(str, row)) for row in values.tolist()) == shown[orientation - 1]
    assert source.info.width == len(values[0])


@pytest.mark.parametrize("pixels", [RGB16, RGBA16], ids=["rgb", "rgba"])
def test_sixteen_bits_are_kept(tmp_path: Path, pixels: np.ndarray) -> None:
    (tmp_path / "x.png").write_bytes(encode_deep_png(pixels, PictureTags(icc=SRGB)))
    (tmp_path / "x.tif").write_bytes(encode_tiff(pixels, PictureTags(icc=SRGB)))
    for name in ("x.png", "x.tif"):
        source, frame = read(tmp_path / name)
        assert np.array_equal(frame.image, pixels)
        assert source.tags.icc == SRGB


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [("x.ppm", "ppm", "rgb48be"), ("x.sgi", "sgi", "rgb48be"), ("x.jp2", "jpeg2000", "rgb48le")],
)
def test_sixteen_bits_of_rarer_formats_are_kept(tmp_path: Path, name: str, codec: str, layout: str) -> None:
    (tmp_path / name).write_bytes(encoded(codec, RGB16, layout, pred="1"))
    source, frame = read(tmp_path / name)
    assert source.info.bit_depth == 16 and source.warnings == ()
    assert np.abs(frame.image.astype(int) - RGB16).max() <= (0 if codec != "jpeg2000" else 64)


def test_a_targa_file_is_told_by_its_name(tmp_path: Path) -> None:
    # Nothing in it says what it is; these bytes might be many things.
    Image.fromarray(RGB8).save(tmp_path / "x.tga")
    (tmp_path / "x.dat").write_bytes((tmp_path / "x.tga").read_bytes())
    with pytest.raises(MediaError, match=r"x\.dat is not a picture or video"):
        open_source(tmp_path / "x.dat")
    (tmp_path / "text.tga").write_text("no picture at all, but a text")
    with pytest.raises(MediaError, match=r"text\.tga is a text file"):
        open_source(tmp_path / "text.tga")


def test_an_orientation_in_xmp_alone_turns_nothing(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6"/></x:xmpmeta>'
    Image.fromarray(RGB8).save(tmp_path / "x.jpg", xmp=xmp)
    source, _ = read(tmp_path / "x.jpg")
    assert (source.info.width, source.info.height) == (8, 6)


def png(width: int, height: int, depth: int, color_type: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG chunk by chunk, for kinds that no library writes."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def test_sixteen_bit_gray_png_with_and_without_alpha(tmp_path: Path) -> None:
    (tmp_path / "g.png").write_bytes(png(2, 1, 16, 0, b"\0" + struct.pack(">2H", 258, 65535)))
    (tmp_path / "ga.png").write_bytes(png(2, 1, 16, 4, b"\0" + struct.pack(">4H", 258, 1, 65535, 2)))
    (tmp_path / "gt.png").write_bytes(
        png(2, 1, 16, 0, b"\0" + struct.pack(">2H", 258, 65535), (b"tRNS", struct.pack(">H", 258)))
    )
    (tmp_path / "ct.png").write_bytes(
        png(2, 1, 16, 2, b"\0" + struct.pack(">6H", 1, 2, 3, 4, 5, 6), (b"tRNS", struct.pack(">3H", 1, 2, 3)))
    )
    assert read(tmp_path / "g.png")[1].image.tolist() == [[[258] * 3, [65535] * 3]]
    assert read(tmp_path / "ga.png")[1].image.tolist() == [[[258, 258, 258, 1], [65535, 65535, 65535, 2]]]
    assert read(tmp_path / "gt.png")[1].image[0, :, 3].tolist() == [0, 65535]
    assert read(tmp_path / "ct.png")[1].image.tolist() == [[[1, 2, 3, 0], [4, 5, 6, 65535]]]


def tiff(width: int, height: int, samples: bytes, **tags: int | tuple[int, ...]) -> bytes:
    """A big-endian TIFF of one strip, tag by tag; names are `tNNN`."""
    entries: dict[int, int | tuple[int, ...]] = {
        256: width, 257: height, 259: 1, 273: 8, 278: height, 279: len(samples), 284: 1,
        **{int(name[1:]): value for name, value in tags.items()},
    }  # fmt: skip
    start = 8 + len(samples)
    extra_start = start + 2 + 12 * len(entries) + 4
    directory, extra = struct.pack(">H", len(entries)), b""
    for tag, value in sorted(entries.items()):
        values = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f">{len(values)}H", *values)
        if len(packed) > 4:
            extra += packed
            packed = struct.pack(">I", extra_start + len(extra) - len(packed))
        directory += struct.pack(">HHI", tag, 3, len(values)) + packed.ljust(4, b"\0")
    return b"MM\0*" + struct.pack(">I", start) + samples + directory + bytes(4) + extra


def planar_tiff(color: tuple[int, int, int]) -> bytes:
    """One pixel of 16 bits, with a strip of its own for each channel."""
    strips = {"t273": (8, 10, 12), "t279": (2, 2, 2)}
    return tiff(1, 1, struct.pack(">3H", *color), t258=(16,) * 3, t262=2, t277=3, t284=2, **strips)


def test_unusual_tiffs(tmp_path: Path) -> None:
    cases = {
        "rgb": (tiff(1, 1, struct.pack(">3H", 1, 2, 3), t258=(16,) * 3, t262=2, t277=3), [1, 2, 3]),
        "gray": (tiff(1, 1, struct.pack(">H", 500), t258=16, t262=1, t277=1), [500] * 3),
        "gray-alpha": (tiff(1, 1, struct.pack(">2H", 7, 9), t258=(16,) * 2, t262=1, t277=2, t338=2), [7, 7, 7, 9]),
        "premultiplied": (
            tiff(1, 1, struct.pack(">4H", 100, 200, 300, 32768), t258=(16,) * 4, t262=2, t277=4, t338=1),
            [200, 400, 600, 32768],
        ),
        "planar": (planar_tiff((1, 2, 3)), [1, 2, 3]),
        "padding": (tiff(1, 1, struct.pack(">4H", 1, 2, 3, 4), t258=(16,) * 4, t262=2, t277=4, t338=0), [1, 2, 3]),
    }
    for name, (data, expected) in cases.items():
        path = tmp_path / f"{name}.tif"
        path.write_bytes(data)
        assert read(path)[1].image.tolist() == [[expected]], name


def test_numbers_that_are_no_colours_yet(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)).save(tmp_path / "unit.tif")
    Image.fromarray(np.array([[0, 40000, 65535]], np.int32)).save(tmp_path / "int.tif")
    assert read(tmp_path / "unit.tif")[1].image[0, :, 0].tolist() == [0, 32768, 65535]
    assert read(tmp_path / "int.tif")[1].image[0, :, 0].tolist() == [0, 40000, 65535]
    for name, values in (("hdr", np.array([[0.0, 7.5]], np.float32)), ("nan", np.array([[np.nan]], np.float32))):
        Image.fromarray(values).save(tmp_path / f"{name}.tif")
        with pytest.raises(MediaError, match="floating-point samples outside"):
            next(PictureSource(tmp_path / f"{name}.tif").frames())
    (tmp_path / "rgb.tif").write_bytes(
        tiff(1, 1, struct.pack(">3f", 0.1, 0.2, 0.3), t258=(32,) * 3, t262=2, t277=3, t339=(3,) * 3)
    )
    with pytest.raises(MediaError, match=r"rgb\.tif is a TIFF with floating-point samples"):
        PictureSource(tmp_path / "rgb.tif")


def test_cmyk_goes_through_its_profile(tmp_path: Path) -> None:
    # On this press "cyan" is a bright red, which no formula without the profile can know.
    ink = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    ink.save(tmp_path / "red.tif", icc_profile=cmyk((136, 208, 195)))
    ink.save(tmp_path / "plain.tif")
    source, frame = read(tmp_path / "red.tif")
    red, green, blue = frame.image[0, 0].tolist()
    assert red > 240 and green < 30 and blue < 30
    assert source.tags.icc is None and source.warnings == ()
    source, frame = read(tmp_path / "plain.tif")
    assert frame.image[0, 0].tolist() == [0, 255, 255]
    assert "approximate" in source.warnings[0]


def test_gray_profiles_are_applied_and_wrong_ones_dropped(tmp_path: Path) -> None:
    Image.new("L", (2, 2), 55).save(tmp_path / "linear.png", icc_profile=linear_gray())
    Image.fromarray(RGB8).save(tmp_path / "wrong.png", icc_profile=linear_gray())
    source, frame = read(tmp_path / "linear.png")
    # A light of 55/255 is the sRGB number 128.
    assert frame.image[0, 0].tolist() == pytest.approx([128] * 3, abs=1)
    assert source.tags.icc is None
    source, frame = read(tmp_path / "wrong.png")
    assert np.array_equal(frame.image, RGB8)
    assert source.tags.icc is None and "profile" in source.warnings[0]


def test_lab(tmp_path: Path) -> None:
    to_lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    muted = Image.fromarray(RGB8 // 4 + 96)
    lab = ImageCms.profileToProfile(muted, *to_lab, outputMode="LAB")
    assert lab is not None
    lab.save(tmp_path / "x.tif")
    _, frame = read(tmp_path / "x.tif")
    assert np.abs(frame.image.astype(int) - np.asarray(muted)).max() <= 4


def test_only_the_first_page_of_a_tiff(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    source, frame = read(tmp_path / "x.tif")
    assert frame.image[0, 0].tolist() == [255, 0, 0]
    assert "pages" in source.tags.present()


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "gif", "bmp", "avif", "deep.png", "deep.tif"])
def test_a_picture_that_is_cut_off_is_refused(tmp_path: Path, suffix: str) -> None:
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"x.{suffix}"
    if suffix == "deep.png":
        path.write_bytes(encode_deep_png(noise * np.uint16(257), PictureTags()))
    elif suffix == "deep.tif":
        path.write_bytes(encode_tiff(noise * np.uint16(257), PictureTags()))
    else:
        Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(MediaError, match=rf"^x\.{suffix} "):
        next(PictureSource(path).frames())


def test_damaged_exif_costs_only_the_exif(tmp_path: Path) -> None:
    Image.fromarray(RGB8).save(tmp_path / "x.png", exif=b"Exif\0\0" + b"garbage, not a TIFF header")
    source, frame = read(tmp_path / "x.png")
    assert np.array_equal(frame.image, RGB8)
    assert source.tags.exif is None and source.warnings == ("The EXIF data is damaged and was left out.",)


def test_a_claim_of_too_many_pixels_is_refused_without_unpacking(tmp_path: Path) -> None:
    for name, depth in (("x.png", 8), ("deep.png", 16)):
        (tmp_path / name).write_bytes(png(60000, 60000, depth, 2, bytes(1000)))
        with pytest.raises(MediaError, match=f"{name} has more pixels than"):
            open_source(tmp_path / name)
    (tmp_path / "x.tif").write_bytes(tiff(60000, 60000, bytes(8), t258=(16,) * 2, t262=1, t277=2))
    with pytest.raises(MediaError, match="more pixels than"):
        PictureSource(tmp_path / "x.tif")


def test_frames_can_be_read_twice(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4)).save(tmp_path / "x.jpg")
    source = PictureSource(tmp_path / "x.jpg")
    first, second = next(source.frames()), next(source.frames())
    assert np.array_equal(first.image, second.image)
    assert len(source.warnings) == 1


def test_an_animation_that_claims_too_many_pixels_is_refused_without_unpacking(tmp_path: Path) -> None:
    # Between the limit and twice the limit, where Pillow itself only warns.
    frames = [Image.new("RGB", (32, 24), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "x.webp", save_all=True, append_images=frames[1:])
    data = bytearray((tmp_path / "x.webp").read_bytes())
    data[24:30] = struct.pack("<I", 16383)[:3] + struct.pack("<I", 22399)[:3]
    (tmp_path / "x.webp").write_bytes(data)
    with pytest.raises(MediaError, match="more pixels than"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        open_source(tmp_path / "x.webp")


def test_a_damaged_avif_is_refused(tmp_path: Path) -> None:
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "x.avif")
    data = bytearray((tmp_path / "x.avif").read_bytes())
    start = data.index(b"mdat") + 4
    data[start : start + 40] = b"\xff" * 40
    (tmp_path / "x.avif").write_bytes(data)
    with pytest.raises(MediaError, match=r"^x\.avif "):
        next(open_source(tmp_path / "x.avif").frames())
