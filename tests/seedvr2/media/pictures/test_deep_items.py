"""AVIF and HEIC are read with all their bits, their colours, their transparency and what they carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from seedvr2.errors import MediaError
from seedvr2.media import open_sink, open_source
from seedvr2.media.pictures.deep_items import decode_avif, item_depth
from seedvr2.options import UpscaleOptions

PICTURES = Path(__file__).parents[3] / "fixtures" / "pictures"
BT2020_PQ, BT2020_HLG, P3 = (9, 16, 0, 1), (9, 18, 0, 1), (12, 13, 0, 1)


def ramp(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([40 + 2 * x, 40 + 3 * y, np.full_like(x, 60)], -1)


def read(name: str) -> tuple[Any, np.ndarray]:
    source = open_source(PICTURES / name)
    (frame,) = source.frames()
    assert frame.image.shape[:2] == (source.info.height, source.info.width)
    return source, frame.image


@pytest.mark.parametrize(
    ("name", "depth", "cicp"),
    [
        ("pq.avif", 10, BT2020_PQ),
        ("hlg.avif", 10, BT2020_HLG),
        ("p3.avif", 10, P3),
        ("pq10.heic", 10, BT2020_PQ),
        ("alpha12.avif", 12, BT2020_PQ),
    ],
)
def test_more_than_eight_bits_and_their_colours_are_kept(tmp_path: Path, name: str, depth: int, cicp: Any) -> None:
    source, image = read(name)
    assert (source.info.bit_depth, image.dtype, source.tags.cicp) == (depth, np.uint16, cicp)
    height, width = image.shape[:2]
    if name != "alpha12.avif":  # whose maker took another matrix than it states
        inside = np.s_[4:-4, 4:-4]
        assert np.abs(image[inside] / 257 - ramp(width, height)[inside]).mean() < 2.5
    # More steps than 8 bits have.
    assert len(np.unique(image[..., 0])) > len(np.unique(image[..., 0] >> 8)) and source.warnings == ()
    with open_sink(tmp_path / "out.png", source, width, height, UpscaleOptions()) as sink:
        sink.write(image, next(source.frames()))
    assert sink.warnings == ()
    result = (tmp_path / "out.png").read_bytes()
    assert result[24] == 16 and b"cICP" + bytes(cicp) in result


def test_eight_bits_of_pillow_agree() -> None:
    for name in ("pq.avif", "p3.avif"):
        _, image = read(name)
        with Image.open(PICTURES / name) as other:
            difference = np.abs(image / 257 - np.asarray(other))
            assert difference.mean() < 1


def test_transparency_of_avif_and_heic() -> None:
    source, image = read("alpha12.avif")
    assert source.info.has_alpha
    assert np.abs(image[..., 3] / 257 - (255 - 2 * np.mgrid[:64, :96][0])).mean() < 1
    source, image = read("alpha.heic")
    assert source.info.has_alpha and image.dtype == np.uint8
    assert image[20, 10, 3] > 250 and image[20, 50, 3] < 50


def test_heic_carries_what_phones_write(tmp_path: Path) -> None:
    source, image = read("photo.heic")
    assert (source.info.format, source.info.bit_depth, source.info.kind) == ("heif", 8, "picture")
    assert np.abs(image[13:] - ramp(64, 48)[13:]).mean() < 3
    with open_sink(tmp_path / "out.jpg", source, 64, 48, UpscaleOptions(output_format="jpg")) as sink:
        sink.write(image, next(source.frames()))
    with Image.open(tmp_path / "out.jpg") as result:
        exif = result.getexif()
        assert exif[Base.Make] == "Maker" and exif.get_ifd(IFD.GPSInfo)[1] == "N"
        assert b'xmp:Rating="4"' in result.info["xmp"]


def test_heic_is_turned_once() -> None:
    source, image = read("turned.heic")
    assert (source.info.width, source.info.height) == (48, 64)
    # Turned by 90 degrees to the right: red grows downwards, green to the left.
    expected = np.rot90(ramp(64, 48), -1)
    assert np.abs(image[13:, :30].astype(int) - expected[13:, :30]).mean() < 3


def test_a_damaged_heic_is_refused(tmp_path: Path) -> None:
    data = (PICTURES / "photo.heic").read_bytes()
    (tmp_path / "cut.heic").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=r"cut\.heic"):
        open_source(tmp_path / "cut.heic").prove()


def test_what_is_no_such_file_has_eight_bits() -> None:
    for data in (b"", b"\0\0\0\x10meta\0\0\0\0pitm", bytes(100)):
        assert item_depth(data) == 8
    assert decode_avif(b"no boxes", "x") is None
