"""Small pictures of all that the engine reads as a picture."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from daemon.engine.stamp import EDGE, draw

FIXTURES = Path(__file__).parents[2] / "fixtures"


def drawn(path: Path, kind: str, size: tuple[int, int]) -> Image.Image:
    data = draw(path, kind, size)
    assert data is not None
    return Image.open(BytesIO(data))


@pytest.mark.parametrize(
    ("name", "size"),
    [("pictures/photo.heic", (64, 48)), ("pictures/turned.heic", (48, 64)), ("cases/05_png_long_text.png", (72, 48))],
)
def test_of_pictures_that_are_opened_with_care(name: str, size: tuple[int, int]) -> None:
    assert drawn(FIXTURES / name, "picture", size).size == size


def test_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.new("RGB", (900, 600), (200, 0, 0))
    lying.paste((0, 0, 200), (0, 0, 450, 600))
    for name in ("a.png", "a.jpg", "a.webp"):
        lying.save(tmp_path / name, exif=exif)
        image = drawn(tmp_path / name, "picture", (600, 900)).convert("RGB")
        assert image.size == (EDGE * 2 // 3, EDGE)
        assert image.getpixel((100, 20))[2] > 150 and image.getpixel((100, EDGE - 20))[0] > 150  # type: ignore[index]


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_of_animations(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (32, 24), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    assert drawn(tmp_path / f"a{suffix}", "video", (32, 24)).size == (32, 24)


def test_of_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    assert draw(tmp_path / "a.png", "picture", (32, 24)) is None
    assert draw(tmp_path / "a.png", "video", (32, 24)) is None
