"""Good pictures with small faults are read, with a word about it; what lacks pixels is refused."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seedvr2.errors import MediaError
from seedvr2.media import open_source
from seedvr2.media.pictures.mended import NO_END, WRONG_LENGTH
from tests.seedvr2.media.carried.picture_sources import PIXELS, png

CASES = Path(__file__).parents[3] / "fixtures" / "cases"
NOISE = np.random.default_rng(3).integers(0, 256, (67, 61, 3), dtype=np.uint8)
KINDS: list[dict[str, Any]] = [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 2}]


def encoded(kind: str, image: np.ndarray = NOISE, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def read(path: Path, data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    path.write_bytes(data)
    with open_source(path) as source:
        source.prove()
        (frame,) = source.frames()
        return frame.image, source.warnings


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("end", [b"", b"\xff", bytes(400), b"\xff\xff\xff"], ids=["none", "half", "zeros", "filling"])
def test_a_jpeg_that_lacks_only_its_end(tmp_path: Path, options: dict[str, Any], end: bytes) -> None:
    data = encoded("JPEG", **options)
    image, _ = read(tmp_path / "a.jpg", data[:-2] + end)
    assert np.array_equal(image, pixels(data))


def test_a_missing_end_is_said(tmp_path: Path) -> None:
    for suffix, data in ((".jpg", encoded("JPEG")[:-2]), (".png", encoded("PNG")[:-12])):
        _, warnings = read(tmp_path / f"a{suffix}", data)
        assert warnings == (NO_END,)


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("share", [0.2, 0.6, 0.9, 0.98])
def test_a_jpeg_that_lacks_pixels_is_refused(tmp_path: Path, options: dict[str, Any], share: float) -> None:
    data = encoded("JPEG", **options)
    for end in (b"", b"\xff"):
        with pytest.raises(MediaError, match=r"a\.jpg is cut off"):
            read(tmp_path / "a.jpg", data[: int(len(data) * share)] + end)


def test_a_progressive_jpeg_without_its_last_scan_is_refused(tmp_path: Path) -> None:
    data = encoded("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    for cut in (last, data.rindex(b"\xff\xc4")):
        with pytest.raises(MediaError, match="cut off"):
            read(tmp_path / "a.jpg", data[:cut])


def test_the_case_of_a_jpeg_cut_at_60_percent_is_refused() -> None:
    with pytest.raises(MediaError, match="cut off"):
        open_source(CASES / "14c_jpeg_cut_at_60_percent.jpg").prove()


@pytest.mark.parametrize("junk", [b"\0\0\0abc", b"\xff" * 9, b"\xff\0a"])
def test_a_jpeg_with_bytes_between_its_segments(tmp_path: Path, junk: bytes) -> None:
    data = encoded("JPEG")
    place = data.index(b"\xff\xdb")
    image, _ = read(tmp_path / "a.jpg", data[:place] + junk + data[place:] + b"garbage")
    assert np.array_equal(image, pixels(data))


def test_a_png_with_more_text_than_decoders_take(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(80_000_000))
    chunks = [
        (b"tEXt", b"Title\0" + b"x" * 2_000_000),
        (b"zTXt", b"Title\0\0" + bomb),
        (b"iTXt", b"Title\0\1\0\0\0" + bomb),
        (b"zTXt", b"Title\0\0no stream"),
        (b"iCCP", b"x\0\0" + bomb),
    ]
    for chunk in chunks:
        image, _ = read(tmp_path / "a.png", png(chunk))
        assert np.array_equal(image, PIXELS)
    assert open_source(CASES / "05_png_long_text.png").info.width == 72


def test_a_png_whose_profile_is_large(tmp_path: Path) -> None:
    profile = b"\0" * 16 + b"RGB " + np.random.default_rng(1).bytes(2_000_000)
    (tmp_path / "a.png").write_bytes(png((b"iCCP", b"x\0\0" + zlib.compress(profile))))
    with open_source(tmp_path / "a.png") as source:
        assert source.tags.icc == profile  # type: ignore[attr-defined]


def test_a_png_with_a_wrong_checksum_beside_its_pixels(tmp_path: Path) -> None:
    data = bytearray(png((b"tEXt", b"Title\0A boat")))
    data[data.index(b"A boat") + 7] ^= 1
    image, _ = read(tmp_path / "a.png", bytes(data))
    assert np.array_equal(image, PIXELS)


@pytest.mark.parametrize("cut", [1, 4, 12, 16, 20])
@pytest.mark.parametrize("deep", [False, True])
def test_a_png_that_lacks_only_its_end(tmp_path: Path, cut: int, deep: bool) -> None:
    image, _ = read(tmp_path / "a.png", png(deep=deep)[:-cut])
    assert np.array_equal(image >> 8 if deep else image, PIXELS)


def test_a_png_that_lacks_rows_is_refused(tmp_path: Path) -> None:
    data = encoded("PNG")
    with pytest.raises(MediaError, match=r"a\.png is cut off"):
        read(tmp_path / "a.png", data[: len(data) * 9 // 10])


def test_a_webp_whose_length_is_stated_wrongly(tmp_path: Path) -> None:
    data = encoded("WEBP", lossless=True)
    for stated in (10**6, len(data) - 60, 4):
        image, warnings = read(tmp_path / "a.webp", data[:4] + struct.pack("<I", stated) + data[8:])
        assert np.array_equal(image, NOISE) and warnings == (WRONG_LENGTH,)
    image, warnings = read(tmp_path / "a.webp", data + b"more" * 9)
    assert np.array_equal(image, NOISE) and warnings == ()
    with pytest.raises(MediaError, match=r"a\.webp"):
        read(tmp_path / "a.webp", data[:-40])


def test_other_small_faults(tmp_path: Path) -> None:
    bmp = encoded("BMP")
    for stated in (0, 99, 2**31):
        image, _ = read(tmp_path / "a.bmp", bmp[:2] + struct.pack("<I", stated) + bmp[6:])
        assert np.array_equal(image, NOISE)
    gif = encoded("GIF")
    for data in (gif[:-1], gif + b"more"):
        assert read(tmp_path / "a.gif", data)[0].shape == NOISE.shape
