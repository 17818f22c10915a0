"""What a container hides of the stored picture is not in the result."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seedvr2.media import Frame, Source, open_source
from tests.seedvr2.media import clips, patched

CASES = Path(__file__).parents[3] / "fixtures" / "cases"
CROP = {"top": 0x54BB, "bottom": 0x54AA, "left": 0x54CC, "right": 0x54DD}
WIDTH, HEIGHT, UNIT = 0x54B0, 0x54BA, 0x54B2
PICTURE = clips.picture(96, 64)


def read(path: Path) -> tuple[Source, list[Frame]]:
    source = open_source(path)
    return source, list(source.frames())


def matroska(path: Path, **numbers: int) -> Path:
    """A lossless clip whose container crops so many pixels, and is shown as `width` x `height`."""
    names = {**CROP, "width": WIDTH, "height": HEIGHT}
    clips.write_video(path, [PICTURE] * 3, codec="ffv1", layout="bgr0", options={})
    extra = b"".join(patched.element(names[name], value.to_bytes(2, "big")) for name, value in numbers.items())
    return patched.patch_matroska(path, {patched.VIDEO: extra}, frozenset({WIDTH, HEIGHT, UNIT}))


def mp4(path: Path, *numbers: tuple[int, int], aspect: Fraction | None = None, **how: object) -> Path:
    """A clip with a clean aperture: width, height, and how far its centre is off, each as a fraction."""
    clips.write_video(path, [PICTURE] * 3, options={"crf": "1"}, aspect=aspect)
    clap = patched.box(b"clap", struct.pack(">8i", *(part for number in numbers for part in number)))
    return patched.patch_mp4(path, clap, **how)  # type: ignore[arg-type]


def test_case_of_matroska_is_cropped() -> None:
    source, frames = read(CASES / "13_mkv_pixel_crop.mkv")
    assert (source.info.width, source.info.height) == (96, 48)
    assert {frame.image.shape for frame in frames} == {(48, 96, 3)}
    assert frames[0].image[0, 50:60].max() > 200, "the black bar at the top is gone"
    assert source.warnings == ()


def test_pixels_of_matroska_are_exactly_those_that_are_left(tmp_path: Path) -> None:
    source, frames = read(matroska(tmp_path / "crop.mkv", top=1, bottom=3, left=5, right=8))
    assert (source.info.width, source.info.height, len(frames)) == (83, 60, 3)
    assert np.array_equal(frames[2].image, PICTURE[1:61, 5:88])


def test_display_size_of_matroska_is_that_of_what_is_left(tmp_path: Path) -> None:
    source, frames = read(matroska(tmp_path / "crop.mkv", left=8, right=8, width=160, height=64))
    assert (source.info.width, source.info.height) == (160, 64)
    assert frames[0].image.shape == (64, 80, 3)


def test_cropped_result_has_the_shape_of_what_is_left(tmp_path: Path) -> None:
    clips.upscale(matroska(tmp_path / "crop.mkv", top=8, bottom=8), tmp_path / "out.mp4")
    (frame, *_) = read(tmp_path / "out.mp4")[1]
    assert frame.image.shape == (48, 96, 3)
    assert np.abs(frame.image.astype(int) - PICTURE[8:56]).mean() < 4


def test_clean_aperture_is_what_is_shown(tmp_path: Path) -> None:
    source, frames = read(mp4(tmp_path / "clap.mp4", (160, 2), (60, 1), (4, 1), (-1, 1)))
    assert (source.info.width, source.info.height) == (80, 60)
    assert frames[0].image.shape == (60, 80, 3)
    # Its centre is 4 pixels to the right and 1 above that of the stored picture.
    assert np.abs(frames[0].image.astype(int) - PICTURE[1:61, 12:92]).mean() < 3


@pytest.mark.parametrize(
    ("aspect", "shown", "drop", "width"),
    [
        (None, (80, 64), b"", 80),  # as cameras write it: the track is as large as the aperture
        (None, (80, 48), b"", 107),
        (Fraction(4, 3), (107, 64), b"", 107),
        (Fraction(4, 3), (80, 64), b"pasp", 80),
    ],
)
def test_shape_of_pixels_beside_a_clean_aperture(
    tmp_path: Path, aspect: Fraction | None, shown: tuple[int, int], drop: bytes, width: int
) -> None:
    numbers = ((80, 1), (64, 1), (0, 1), (0, 1))
    source, frames = read(mp4(tmp_path / "clap.mp4", *numbers, aspect=aspect, shown=shown, drop=drop))
    assert frames[0].image.shape == (64, 80, 3)
    assert source.info.width == width


@pytest.mark.parametrize("numbers", [((80, 0), (64, 1), (0, 1), (0, 1)), ((80, 1), (64, 1), (40, 1), (0, 1))])
def test_apertures_that_make_no_sense_are_ignored(tmp_path: Path, numbers: tuple[tuple[int, int], ...]) -> None:
    source, frames = read(mp4(tmp_path / "clap.mp4", *numbers))
    assert (source.info.width, frames[0].image.shape) == (96, (64, 96, 3))
