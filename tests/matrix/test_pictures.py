"""Pictures of every format and kind: what a reader finds afterwards is what was there before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.cases import measure
from tests.matrix.copying import double
from tests.matrix.explained import unexplained
from tests.matrix.explained_pictures import PICTURE_RULES
from tests.matrix.pictures import HEIGHT, PICTURES, WIDTH, Picture, make
from tests.matrix.readings import differences, picture_fields

FORMATS = ("png", "jpg", "webp", "tiff")
# Of 255, on average: what a JPEG or WebP of quality 95 may be off, of the noise that a palette makes too.
_NEAR = 7.0
# These have inks, for which there is more than one way to colours.
_INKS = {"CMYK"}


def _needs(picture: Picture) -> None:
    if picture.tool and not measure.has(picture.tool):
        pytest.skip(f"{picture.tool} is not installed")


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_every_picture_keeps_its_pixels(picture: Picture, tmp_path: Path) -> None:
    _needs(picture)
    source = make(picture, tmp_path)
    for wanted in FORMATS:
        result = tmp_path / f"result.{wanted}"
        double(source, result, wanted)
        with Image.open(source) as before, Image.open(result) as after:
            upright = ImageOps.exif_transpose(before)
            assert after.size == (2 * upright.width, 2 * upright.height), wanted
            assert sorted(after.size) == [2 * HEIGHT, 2 * WIDTH]
            # A file that says it lies on its side would be turned twice.
            assert ImageOps.exif_transpose(after).size == after.size, wanted
            if picture.mode not in _INKS:
                assert _mean_difference(upright, after, on_white=wanted == "jpg") < _NEAR, wanted


@pytest.mark.long
@pytest.mark.skipif(not measure.has("exiftool"), reason="exiftool is not installed")
@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
@pytest.mark.parametrize("wanted", FORMATS)
def test_every_difference_of_a_picture_is_explained(picture: Picture, wanted: str, tmp_path: Path) -> None:
    source, result = make(picture, tmp_path), tmp_path / f"result.{wanted}"
    warnings = double(source, result, wanted)
    left = unexplained(differences(picture_fields(source), picture_fields(result)), warnings, PICTURE_RULES)
    assert not left, "\n".join(map(str, (*left, *warnings)))


def _mean_difference(before: Image.Image, after: Image.Image, *, on_white: bool) -> float:
    wanted, larger = _rgba(before), _rgba(after)
    got = larger.reshape(before.height, 2, before.width, 2, 4).mean((1, 3))
    if on_white:
        alpha = wanted[..., 3:] / 255
        wanted[..., :3] = wanted[..., :3] * alpha + 255 * (1 - alpha)
        wanted[..., 3] = 255
    # What nobody sees may be anything: WebP does not store it.
    seen = np.where(np.arange(4) < 3, wanted[..., 3:] / 255, 1)
    return float((np.abs(wanted - got) * seen).mean())


def _rgba(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    return np.asarray(image.convert("RGBA"), np.float64)
