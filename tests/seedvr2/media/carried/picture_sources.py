"""For each item that a picture can carry, a picture that carries it, made without the code that reads it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base

from tests.seedvr2.media.profiles import SRGB
from tests.seedvr2.media.tiffs import rgb_page, tiff_file

WIDTH, HEIGHT = 24, 16
PIXELS = np.linspace(20, 230, WIDTH * HEIGHT * 3).reshape(HEIGHT, WIDTH, 3).astype(np.uint8)
IPTC = b"\x1c\x02\x78\x00\x05Hello\x1c\x02\x19\x00\x03sea"
PATH = bytes(range(52))
NOTE = b"Apple iOS\0\0\1MM\0\1\0\1\0\x09\0\0\0\1\0\0\0\5"
PRIMARIES = struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600)


def xmp(inside: str = "") -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:tiff="t" xmlns:exif="e" '
        f'xmlns:xmp="x" xmp:Rating="4" tiff:Orientation="6" exif:PixelXDimension="24" {inside}>'
        '<tiff:ImageLength>16</tiff:ImageLength></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def png(*chunks: tuple[bytes, bytes], deep: bool = False) -> bytes:
    """A PNG chunk by chunk."""
    rows = PIXELS.astype(">u2") * 257 if deep else PIXELS
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16 if deep else 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", packed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def jpeg(*segments: tuple[int, bytes], behind: bytes = b"", **options: object) -> bytes:
    """A JPEG with segments after its own first one, and bytes behind its end."""
    buffer = BytesIO()
    Image.fromarray(PIXELS).save(buffer, "JPEG", quality=95, **options)
    data = buffer.getvalue()
    extra = b"".join(struct.pack(">BBH", 255, marker, len(body) + 2) + body for marker, body in segments)
    return data[:2] + extra + data[2:] + behind


def resource(number: int, data: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)


def exif(orientation: int = 1, thumbnail: bool = False) -> bytes:
    result = Image.Exif()
    result[Base.Make], result[Base.Orientation] = "Maker", orientation
    details = {Base.ExifImageWidth: WIDTH, Base.ExifImageHeight: HEIGHT, Base.MakerNote: NOTE}
    result.get_ifd(IFD.Exif).update(details)
    result.get_ifd(IFD.GPSInfo).update({1: "N", 2: (52.0, 30.0, 0.0)})
    data = result.tobytes()
    if thumbnail:
        # A second directory, whose place is stated behind the first one.
        small, start = jpeg()[:200], len(data) - 6
        entries = [(259, 3, 1, 6 << 16 if data[6:8] == b"MM" else 6), (513, 4, 1, start + 42), (514, 4, 1, 200)]
        order = ">" if data[6:8] == b"MM" else "<"
        second = struct.pack(f"{order}H", 3) + b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
        (count,) = struct.unpack_from(f"{order}H", data, 14)
        place = 16 + 12 * count
        data = data[:place] + struct.pack(f"{order}I", start) + data[place + 4 :] + second + bytes(4) + small
    return data


def _mpo() -> bytes:
    buffer, other = BytesIO(), Image.fromarray(PIXELS[::-1])
    Image.fromarray(PIXELS).save(buffer, "MPO", save_all=True, append_images=[other])
    return buffer.getvalue()


def _tiff(**more: object) -> bytes:
    return tiff_file([rgb_page(WIDTH, HEIGHT, (90, 80, 70), **more)])


def _with_dpi() -> bytes:
    return png((b"pHYs", struct.pack(">IIB", 11811, 11811, 1)))


_XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
_BOMB = zlib.compress(bytes(9_000_000))
SOURCES: dict[str, Callable[[], bytes]] = {
    "icc": lambda: png((b"iCCP", b"x\0\0" + zlib.compress(SRGB))),
    "exif": lambda: jpeg(exif=exif()),
    "gps": lambda: jpeg(exif=exif()),
    "maker_note": lambda: jpeg(exif=exif()),
    "orientation": lambda: jpeg(exif=exif(6)),
    "thumbnail": lambda: jpeg(exif=exif(thumbnail=True)),
    "dpi": _with_dpi,
    "xmp": lambda: jpeg((0xE1, _XMP_NAME + xmp())),
    "iptc": lambda: jpeg((0xED, b"Photoshop 3.0\0" + resource(0x03ED, bytes(16)) + resource(0x0404, IPTC))),
    "path": lambda: jpeg((0xED, b"Photoshop 3.0\0" + resource(2000, PATH))),
    "cicp": lambda: png((b"cICP", bytes((12, 13, 0, 1)))),
    "odd_color": lambda: png((b"cICP", bytes((10, 13, 0, 1)))),
    "hdr": lambda: png((b"cICP", bytes((9, 16, 0, 1))), deep=True),
    "light": lambda: png((b"cLLI", struct.pack(">II", 10_000_000, 2_000_000))),
    "gamma": lambda: png((b"gAMA", struct.pack(">I", 100_000)), (b"cHRM", PRIMARIES)),
    "srgb": lambda: png((b"sRGB", b"\0")),
    "text": lambda: png((b"tEXt", b"Title\0A boat")),
    "comment": lambda: jpeg(comment=b"A boat"),
    "long_text": lambda: png((b"zTXt", b"Title\0\0" + _BOMB)),
    "long_icc": lambda: png((b"iCCP", b"x\0\0" + _BOMB)),
    "long_segment": lambda: png((b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + xmp() + b" " * 70_000)),
    "more_xmp": lambda: jpeg((0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + bytes(8) + b"<x/>")),
    "c2pa": lambda: jpeg((0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa")),
    "gain_map": lambda: jpeg((0xE1, _XMP_NAME + xmp('hdrgm:Version="1.0"'))),
    "depth_map": lambda: jpeg((0xE1, _XMP_NAME + xmp('GDepth:Format="RangeInverse"'))),
    "motion_video": lambda: jpeg(behind=b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(50)),
    "more_pictures": _mpo,
    "pages": lambda: tiff_file([rgb_page(WIDTH, HEIGHT, (1, 2, 3)), rgb_page(WIDTH, HEIGHT, (4, 5, 6))]),
    "layers": lambda: _tiff(t37724=b"Adobe Photoshop Document Data Block\0"),
    "geotiff": lambda: _tiff(t33550=bytes(24)),
    "app_data": lambda: jpeg((0xE5, b"FLIR\0 temperatures")),
    "trailer": lambda: jpeg(behind=b"something else"),
}


def write_source(folder: Path, key: str) -> Path:
    """The picture that carries the item called `key`."""
    data = SOURCES[key]()
    suffix = ".png" if data.startswith(b"\x89") else ".jpg" if data.startswith(b"\xff") else ".tif"
    path = folder / f"{key}{suffix}"
    path.write_bytes(data)
    return path
