"""Camera raw is refused by name, whatever it is called and by whom it was made; what is a picture is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from seedvr2.errors import MediaError
from seedvr2.media import open_source
from tests.seedvr2.media.tiffs import Page, rgb_page, sensor_page, tiff_file

CASES = Path(__file__).parents[3] / "fixtures" / "cases"
GRAY = (90, 90, 90)
THUMBNAIL = {"t254": 1, "t271": b"NIKON CORPORATION\0"}


def nef(order: str = ">") -> bytes:
    return tiff_file([rgb_page(16, 12, GRAY, [sensor_page(64, 48)], **THUMBNAIL)], order)


RAW: dict[str, bytes] = {
    "a.nef": nef(),
    "renamed.tif": nef("<"),
    "without-suffix": nef(),
    # The sensor's page comes first, or as a page of its own.
    "a.pef": tiff_file([sensor_page(64, 48)], ">"),
    "second-page.tif": tiff_file([rgb_page(16, 12, GRAY), sensor_page(64, 48)]),
    "linear.dng": tiff_file([rgb_page(16, 12, GRAY, [sensor_page(64, 48, 34892)])]),
    "renamed-dng.jpg": tiff_file([Page({**rgb_page(16, 12, GRAY).tags, 50706: b"\1\4\0\0"}, bytes(576))]),
    "big.dng": tiff_file([rgb_page(16, 12, GRAY, [sensor_page(64, 48)], t254=1)], big=True),
    "nikon-packed.tif": tiff_file([rgb_page(16, 12, GRAY, [rgb_page(64, 48, GRAY, t259=34713)], t254=1)]),
    "sony.tif": tiff_file([rgb_page(16, 12, GRAY, [rgb_page(64, 48, GRAY, t259=32767)], t254=1)]),
    # Nothing in these tells but the name and the preview.
    "a.kdc": tiff_file([rgb_page(16, 12, GRAY, t254=1)]),
    "a.mos": tiff_file([rgb_page(16, 12, GRAY, t271=b"Leaf\0")]),
    "a.srf": tiff_file([rgb_page(16, 12, GRAY), rgb_page(8, 6, GRAY)]),
    "a.orf": b"IIRO\x08\0\0\0" + bytes(100),
    "b.orf": b"IIRS\x08\0\0\0" + bytes(100),
    "a.rw2": b"IIU\0\x08\0\0\0" + bytes(100),
    "a.cr2": b"II*\0\x10\0\0\0CR\2\0" + bytes(100),
    "a.crw": b"II\x1a\0\0\0HEAPCCDR" + bytes(100),
    "a.cr3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(100),
    "a.raf": b"FUJIFILMCCD-RAW 0201FF129502" + bytes(100),
    "a.x3f": b"FOVb\0\0\2\0" + bytes(100),
    "a.mrw": b"\0MRM\0\0\x10\0" + bytes(100),
    "a.iiq": b"II*\0\x08\0\0\0IIIITwaR" + bytes(100),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(RAW[name])
    with pytest.raises(MediaError, match=rf"{name} is camera raw.*develop it first.*TIFF or PNG"):
        open_source(tmp_path / name)


def test_the_thumbnail_of_a_dng_is_not_taken_for_it() -> None:
    with pytest.raises(MediaError, match="camera raw"):
        open_source(CASES / "06_raw.dng")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", ["developed.tif", "developed.nef"])
def test_a_picture_saved_by_an_editor_is_read(tmp_path: Path, name: str, order: str) -> None:
    # Developed files keep the camera's name in their EXIF.
    make = {} if name.endswith("nef") else {"t271": b"NIKON CORPORATION\0"}
    (tmp_path / name).write_bytes(tiff_file([rgb_page(6, 4, (10, 200, 30), t254=0, **make)], order))
    with open_source(tmp_path / name) as source:
        (frame,) = source.frames()
    assert frame.image.shape == (4, 6, 3) and frame.image[0, 0].tolist() == [10, 200, 30]


def test_a_jpeg_of_a_camera_is_read(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "NIKON CORPORATION"
    Image.new("RGB", (8, 8), GRAY).save(tmp_path / "a.nef", "JPEG", exif=exif)
    assert open_source(tmp_path / "a.nef").info.format == "jpeg"
