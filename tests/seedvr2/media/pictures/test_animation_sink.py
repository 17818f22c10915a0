"""Animations come out as animations: frames, times, repetitions, transparency and what they carry."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base

from seedvr2.errors import MediaError, OptionError
from seedvr2.media import open_sink, open_source
from seedvr2.media.info import Frame
from seedvr2.media.pictures import png_chunks
from seedvr2.options import UpscaleOptions
from tests.seedvr2.media import clips
from tests.seedvr2.media.profiles import SRGB

CASES = Path(__file__).parents[3] / "fixtures" / "cases"
COLORS = [(250, 20, 20), (20, 250, 20), (20, 20, 250)]
DURATIONS = [100, 250, 70]


def frames(clear: bool = False) -> list[np.ndarray]:
    images = []
    for index, color in enumerate(COLORS):
        image = np.zeros((12, 16, 4), np.uint8)
        image[...] = (*color, 255)
        if clear:
            # A hole that moves: what a frame before showed there must be gone.
            image[:, 4 * index : 4 * index + 4, 3] = 0
        images.append(image)
    return images


def write(path: Path, images: list[np.ndarray], **options: Any) -> Path:
    first, *others = [Image.fromarray(image) for image in images]
    if path.suffix == ".webp":
        options |= {"lossless": True, "exact": True}
    disposal = {} if path.suffix == ".webp" else {"disposal": 2 if path.suffix == ".gif" else 1}
    if path.suffix == ".png":
        disposal["blend"] = 0
    first.save(path, save_all=True, append_images=others, duration=DURATIONS, **disposal, **options)
    return path


def remade(source_path: Path, target: Path) -> tuple[Any, tuple[str, ...]]:
    """Written at the same size in the format of the target's name."""
    with open_source(source_path) as source:
        size = source.info.width, source.info.height
        options = UpscaleOptions(output_format=target.suffix[1:])
        with open_sink(target, source, *size, options) as sink:
            for frame in source.frames():
                sink.write(frame.image, frame)
    return source, (*source.warnings, *sink.warnings)


def shown(path: Path) -> list[np.ndarray]:
    with open_source(path) as source:
        return [frame.image for frame in source.frames()]


@pytest.mark.parametrize("origin", [".png", ".webp", ".gif"])
@pytest.mark.parametrize("result", [".png", ".webp", ".gif"])
@pytest.mark.parametrize("clear", [False, True])
def test_frames_times_and_transparency_come_back(tmp_path: Path, origin: str, result: str, clear: bool) -> None:
    write(tmp_path / f"in{origin}", frames(clear), loop=3)
    source, warnings = remade(tmp_path / f"in{origin}", tmp_path / f"out{result}")
    assert [warning for warning in warnings if "256 colours" not in warning] == []
    assert ("256 colours" in "".join(warnings)) == (result == ".gif" and origin != ".gif")
    with open_source(tmp_path / f"out{result}") as made:
        assert (made.info.format, made.info.animation, made.info.has_alpha) == (result[1:], True, clear)
        assert [frame.duration for frame in made.frames()] == DURATIONS
        assert made.loops == source.loops  # type: ignore[attr-defined]
    for before, after in zip(shown(tmp_path / f"in{origin}"), shown(tmp_path / f"out{result}"), strict=True):
        if clear:
            assert np.array_equal(after[..., 3] > 127, before[..., 3] > 127)
            before, after = (image[before[..., 3] > 127] for image in (before, after))
        error = np.abs(after[..., :3].astype(int) - before[..., :3])
        # WebP blurs edges.
        assert error.max() == 0 if result == ".png" else error.mean() < 16


@pytest.mark.parametrize(("count", "loops"), [(None, 1), (0, 0), (4, 5)])
def test_repetitions_of_a_gif(tmp_path: Path, count: int | None, loops: int) -> None:
    options = {} if count is None else {"loop": count}
    write(tmp_path / "in.gif", frames(), **options)
    for suffix in (".gif", ".png", ".webp"):
        remade(tmp_path / "in.gif", tmp_path / f"out{suffix}")
        with Image.open(tmp_path / f"out{suffix}") as made:
            # GIF states how often it is repeated, the others how often it is shown.
            assert made.info.get("loop") == (count if suffix == ".gif" else loops)


def test_a_picture_for_other_programs_is_no_frame(tmp_path: Path) -> None:
    images = shown(CASES / "27_apng_default_image.png")
    assert [image[16, 24].argmax() for image in images] == [0, 1, 2]
    assert all(sorted(image[16, 24])[-1] - sorted(image[16, 24])[-2] > 50 for image in images)
    remade(CASES / "27_apng_default_image.png", tmp_path / "out.png")
    assert len(shown(tmp_path / "out.png")) == 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_nothing_of_the_hidden_picture_shines_through(tmp_path: Path, mode: str) -> None:
    hidden = Image.new("RGBA", (16, 12), (255, 255, 0, 255))
    first, *others = [Image.fromarray(image) for image in frames(clear=True)]
    if mode != "RGBA":
        hidden, first, *others = (image.convert("RGB").convert(mode) for image in (hidden, first, *others))
    hidden.save(tmp_path / "a.png", save_all=True, append_images=[first, *others], default_image=True, blend=1)
    images = shown(tmp_path / "a.png")
    assert len(images) == 3
    assert images[0][6, 10, :3].argmax() == 0
    if mode == "RGBA":
        assert images[0][6, 2, 3] == 0


def test_a_single_frame_that_is_not_the_hidden_picture_is_a_picture(tmp_path: Path) -> None:
    hidden, frame = Image.new("RGB", (16, 12), "yellow"), Image.new("RGB", (16, 12), (0, 0, 255))
    hidden.save(tmp_path / "a.png", save_all=True, append_images=[frame], default_image=True)
    with open_source(tmp_path / "a.png") as source:
        source.prove()
        (shown_one,) = source.frames()
    assert source.info.kind == "picture" and shown_one.image[6, 6].tolist() == [0, 0, 255]


def test_a_hidden_picture_that_claims_too_many_pixels_is_refused_at_once(tmp_path: Path) -> None:
    data = bytearray((CASES / "27_apng_default_image.png").read_bytes())
    for size in ((2_000_000_000, 2_000_000_000), (60_000, 60_000), (0, 5)):
        data[16:24] = struct.pack(">II", *size)
        data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
        (tmp_path / "a.png").write_bytes(data)
        with pytest.raises(MediaError, match=r"^a\.png "):
            open_source(tmp_path / "a.png").prove()


def test_an_animation_of_sixteen_bits_says_what_is_lost(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    control = struct.pack(">IIIIHHBB", 2, 1, 0, 0, 1, 10, 0, 0)
    pixels = zlib.compress(b"\0" + struct.pack(">6H", *[0x1234, 0x8000, 0xFFFF] * 2))
    parts = [
        (b"IHDR", header), (b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", bytes(4) + control), (b"IDAT", pixels),
        (b"fcTL", struct.pack(">I", 1) + control), (b"fdAT", struct.pack(">I", 2) + pixels), (b"IEND", b""),
    ]  # fmt: skip
    (tmp_path / "a.png").write_bytes(png_chunks.SIGNATURE + b"".join(png_chunks.made(*part) for part in parts))
    with open_source(tmp_path / "a.png") as source:
        assert [frame.image[0, 0].tolist() for frame in source.frames()] == [[0x12, 0x80, 0xFF]] * 2
    assert source.warnings == ("The animation was read with 8 of its 16 bits per sample.",)


def test_what_it_carries_goes_along(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[Base.Make] = "Maker"
    write(tmp_path / "in.webp", frames(), exif=exif.tobytes(), icc_profile=SRGB, xmp=b"<x xmp:Rating='4'/>")
    for suffix in (".webp", ".png"):
        _, warnings = remade(tmp_path / "in.webp", tmp_path / f"out{suffix}")
        assert warnings == ()
        with Image.open(tmp_path / f"out{suffix}") as made:
            made.load()
            assert made.getexif()[Base.Make] == "Maker" and made.info["icc_profile"] == SRGB
            assert made.info["xmp"] == b"<x xmp:Rating='4'/>"
    for suffix in (".gif", ".mp4"):
        _, warnings = remade(tmp_path / "in.webp", tmp_path / f"out{suffix}")
        told = [name for name in ("profile", "EXIF", "XMP") if any(name in warning for warning in warnings)]
        assert told == ["profile", "EXIF", "XMP"]


def test_the_comment_of_a_gif(tmp_path: Path) -> None:
    write(tmp_path / "in.gif", frames(), comment=b"A boat" * 60)
    remade(tmp_path / "in.gif", tmp_path / "out.gif")
    with Image.open(tmp_path / "out.gif") as made:
        assert made.info["comment"] == b"A boat" * 60


def test_long_frames_and_fractions_of_hundredths(tmp_path: Path) -> None:
    write(tmp_path / "in.webp", frames())
    times = [(0, 70_000), (70_000, 15), (70_015, 15)]
    for suffix, durations in ((".png", [70_000, 15, 15]), (".webp", [70_000, 15, 15]), (".gif", [70_000, 20, 10])):
        with (
            open_source(tmp_path / "in.webp") as source,
            open_sink(tmp_path / f"out{suffix}", source, 16, 12, UpscaleOptions(output_format=suffix[1:])) as sink,
        ):
            for frame, (pts, duration) in zip(source.frames(), times, strict=True):
                sink.write(frame.image, Frame(frame.image, pts, frame.time_base, duration))
        with open_source(tmp_path / f"out{suffix}") as made:
            found = [frame.duration for frame in made.frames()]
        # A GIF of 10 ms is shown for 100 ms, as browsers do.
        assert found == [100 if wanted <= 10 else wanted for wanted in durations]


def test_a_video_does_not_become_an_animation(tmp_path: Path) -> None:
    clip = clips.write_video(tmp_path / "clip.mp4", [clips.picture(32, 32)] * 2)
    for name in ("webp", "png", "gif"):
        with open_source(clip) as source, pytest.raises(OptionError, match=f"{name} cannot hold a video"):
            open_sink(tmp_path / f"out.{name}", source, 32, 32, UpscaleOptions(output_format=name))


def test_nothing_is_left_behind_of_an_animation_that_fails(tmp_path: Path) -> None:
    write(tmp_path / "in.gif", frames())
    with (
        open_source(tmp_path / "in.gif") as source,
        pytest.raises(ZeroDivisionError),
        open_sink(tmp_path / "out.gif", source, 16, 12, UpscaleOptions(output_format="gif")) as sink,
    ):
        sink.write(np.zeros((12, 16, 3), np.uint8), Frame(np.zeros((1, 1, 3), np.uint8)))
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["in.gif"]
    with open_source(tmp_path / "in.gif") as source, pytest.raises(OptionError, match="at most 65535 pixels"):
        open_sink(tmp_path / "out.gif", source, 70_000, 12, UpscaleOptions(output_format="gif"))
