"""The table is what happens: every item, in every format of result, is where it says or is named in a warning."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from seedvr2.media import open_sink, open_source
from seedvr2.media.carried.item import Fate
from seedvr2.media.carried.page import page
from seedvr2.media.carried.pictures import PICTURE_ITEMS, STILLS, left_out
from seedvr2.options import UpscaleOptions
from tests.seedvr2.media.carried.picture_sources import (
    HEIGHT,
    IPTC,
    NOTE,
    PATH,
    PRIMARIES,
    SOURCES,
    WIDTH,
    write_source,
)
from tests.seedvr2.media.profiles import SRGB

ROOT = Path(__file__).parents[4]


def doubled(source_path: Path, target: Path, result: str) -> list[str]:
    """Through the real reader and the real writer, at twice the size; the warnings."""
    with open_source(source_path) as source:
        (frame,) = source.frames()
        width, height = 2 * source.info.width, 2 * source.info.height
        with open_sink(target, source, width, height, UpscaleOptions(output_format=result)) as sink:
            image = frame.image.repeat(2, axis=0).repeat(2, axis=1)
            if image.dtype == np.uint16 and sink.bit_depth == 8:
                image = (image >> 8).astype(np.uint8)
            sink.write(image, frame)
        return [*source.warnings, *sink.warnings]


def chunks(path: Path) -> dict[bytes, bytes]:
    data, position, found = path.read_bytes(), 8, {}
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        assert struct.unpack_from(">I", data, position + 8 + length) == (zlib.crc32(kind + body),)
        found[kind] = body
        position += length + 12
    return found


def value(key: str, path: Path) -> object:
    """What another program finds of an item."""
    in_png = chunks(path) if path.suffix == ".png" else {}
    with Image.open(path) as image:
        image.load()
        exif, info = image.getexif(), image.info
        tiff = getattr(image, "tag_v2", {})
        match key:
            case "icc":
                return info["icc_profile"]
            case "exif":
                details = exif.get_ifd(IFD.Exif)
                return exif[Base.Make], details[Base.ExifImageWidth], details[Base.ExifImageHeight]
            case "gps":
                return exif.get_ifd(IFD.GPSInfo)[2]
            case "maker_note":
                return exif.get_ifd(IFD.Exif)[Base.MakerNote]
            case "orientation":
                return exif.get(Base.Orientation, 1), image.size
            case "thumbnail":
                return dict(exif.get_ifd(IFD.IFD1))
            case "dpi":
                found = info.get("dpi") or (exif[Base.XResolution], exif[Base.YResolution])
                return tuple(round(float(each)) for each in found)
            case "xmp":
                packet = info["xmp"]
                parts = [b'xmp:Rating="4"', b'tiff:Orientation="1"', b'PixelXDimension="48"', b"Length>32</tiff"]
                return [part in packet for part in parts]
            case "iptc" | "path":
                number, wanted = (0x0404, IPTC) if key == "iptc" else (2000, PATH)
                if path.suffix == ".jpg":
                    return info["photoshop"][number] == wanted
                if path.suffix == ".png":
                    name, _, packed = in_png[b"zTXt"].partition(b"\0\0")
                    lines = zlib.decompress(packed).split(b"\n")
                    raw = bytes.fromhex(b"".join(lines[3:]).decode())
                    assert name == b"Raw profile type iptc" and lines[1] == b"iptc" and int(lines[2]) == len(raw)
                    return b"8BIM" + struct.pack(">HHI", number, 0, len(wanted)) + wanted in raw
                return tiff[33723] == IPTC if key == "iptc" else PATH in tiff[34377]
            case "cicp" | "gamma":
                if path.suffix == ".png":
                    return in_png[b"cICP"] if key == "cicp" else (in_png[b"gAMA"], in_png[b"cHRM"])
                return info["icc_profile"][16:20] == b"RGB "
            case "hdr" | "odd_color":
                return in_png[b"cICP"]
            case "light":
                return in_png[b"cLLI"]
            case "srgb":
                return in_png.get(b"sRGB"), info.get("icc_profile")
            case "text":
                return image.text["Title"]  # type: ignore[attr-defined]
            case "comment":
                return info.get("comment") or image.text["Comment"].encode()  # type: ignore[attr-defined]
    raise KeyError(key)


TURNED = (1, (2 * HEIGHT, 2 * WIDTH))
EXPECTED: dict[str, object] = {
    "icc": SRGB,
    "exif": ("Maker", 2 * WIDTH, 2 * HEIGHT),
    "gps": (52.0, 30.0, 0.0),
    "maker_note": NOTE,
    "orientation": TURNED,
    "thumbnail": {},
    "dpi": (300, 300),
    "xmp": [True] * 4,
    "iptc": True,
    "path": True,
    "cicp": bytes((12, 13, 0, 1)),
    "odd_color": bytes((10, 13, 0, 1)),
    "hdr": bytes((9, 16, 0, 1)),
    "light": struct.pack(">II", 10_000_000, 2_000_000),
    "gamma": (struct.pack(">I", 100_000), PRIMARIES),
    "text": "A boat",
    "comment": b"A boat",
}


@pytest.mark.parametrize("result", STILLS)
@pytest.mark.parametrize("item", PICTURE_ITEMS, ids=lambda item: item.key)
def test_every_item_goes_where_the_table_says(tmp_path: Path, item: object, result: str) -> None:
    key, fate = item.key, item.fate(result)  # type: ignore[attr-defined]
    target = tmp_path / f"out.{result}"
    warnings = doubled(write_source(tmp_path, key), target, result)
    named = [warning for warning in warnings if item.name.lower() in warning.lower()]  # type: ignore[attr-defined]
    if key == "long_segment" and result != "jpg":
        assert warnings == []
    elif fate is Fate.TOLD:
        assert len(named) == 1, warnings
    else:
        assert named == [], warnings
        expected = EXPECTED.get(key)
        if key in ("cicp", "gamma") and result != "png":
            expected = True
        if key == "srgb":
            expected = (b"\0" if result == "png" else None, None)
        assert value(key, target) == expected


def test_the_walk_leaves_nothing_out() -> None:
    keys = {item.key for item in PICTURE_ITEMS}
    assert len(keys) == len(PICTURE_ITEMS) and keys == set(SOURCES)


def test_an_untroubled_picture_has_no_warnings(tmp_path: Path) -> None:
    Image.new("RGB", (8, 6), (1, 2, 3)).save(tmp_path / "a.png", dpi=(72, 72))
    for result in STILLS:
        assert doubled(tmp_path / "a.png", tmp_path / f"out.{result}", result) == []


def test_warnings_name_the_formats_that_would_keep_it() -> None:
    (warning,) = left_out({"iptc"}, "webp")
    assert warning == (
        "The IPTC metadata of the source was left out: a webp file made here does not hold it; choose output_format = "
        "png or jpg or tiff to keep it."
    )
    (warning,) = left_out({"exif"}, "mp4")
    assert "choose output_format = webp or png to keep it" in warning
    assert left_out({"orientation", "thumbnail", "srgb"}, "mp4") == []


def test_the_page_of_the_documentation_is_that_of_the_table() -> None:
    assert (ROOT / "docs" / "carried.md").read_text() == page(), (
        "run: python -m seedvr2.media.carried > docs/carried.md"
    )
