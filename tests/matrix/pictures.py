"""The pictures of the matrix: formats by kinds of pixels and by what a picture can carry."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

WIDTH, HEIGHT = 40, 30
# As exiftool takes them; each format takes those that it can hold.
EXIF = (
    "-EXIF:ImageDescription=A harbour", "-EXIF:Artist=A. Person", "-EXIF:Copyright=(c) A. Person", "-EXIF:Make=Maker",
    "-EXIF:Model=Model 1", "-EXIF:DateTimeOriginal=2019:03:04 05:06:07", "-EXIF:OffsetTimeOriginal=+02:00",
    "-EXIF:ExposureTime=1/125", "-EXIF:FNumber=2.8", "-EXIF:ISO=200", "-EXIF:LensModel=Lens 1",
    "-EXIF:UserComment=Two words",
)  # fmt: skip
GPS = (
    "-GPSLatitude=10.5", "-GPSLatitudeRef=N", "-GPSLongitude=20.25", "-GPSLongitudeRef=E", "-GPSAltitude=5",
    "-GPSTimeStamp=03:06:07", "-GPSDateStamp=2019:03:04",
)  # fmt: skip
XMP = (
    "-XMP-xmp:Rating=4", "-XMP-dc:Title=Harbour", "-XMP-dc:Subject=sea", "-XMP-dc:Subject=boats",
    "-XMP-dc:Description=What is seen", "-XMP-xmp:Label=Blue", "-XMP-photoshop:City=Town", "-XMP-xmpMM:DocumentID=1",
)  # fmt: skip
IPTC = (
    "-IPTC:Caption-Abstract=What is seen", "-IPTC:Keywords=sea", "-IPTC:Keywords=boats", "-IPTC:By-line=A. Person",
    "-IPTC:City=Town",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture.

    Attributes:
        name: of the file; its suffix is the format.
        mode: of the pixels, as Pillow calls it. save: what Pillow is asked for besides.
        tags: what exiftool is asked to write into it. icc: whether it has a colour profile.
        edit: the last change of the image before it is saved.
    """

    name: str
    mode: str = "RGB"
    save: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    icc: bool = False
    edit: Callable[[Image.Image], Image.Image] | None = None

    @property
    def tool(self) -> str:
        """What is needed to make it."""
        return "exiftool" if self.tags else ""


def _palette_with_a_hole(image: Image.Image) -> Image.Image:
    indexed = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    indexed.info["transparency"] = 3
    return indexed


PICTURES: tuple[Picture, ...] = (
    # Formats by kinds of pixels.
    Picture("rgb.png"),
    Picture("rgba.png", "RGBA"),
    Picture("gray.png", "L"),
    Picture("gray_alpha.png", "LA"),
    Picture("palette.png", "P"),
    Picture("palette_hole.png", "RGB", edit=_palette_with_a_hole),
    Picture("bilevel.png", "1"),
    Picture("gray16.png", "I;16"),
    Picture("rgb.jpg"),
    Picture("gray.jpg", "L"),
    Picture("cmyk.jpg", "CMYK"),
    Picture("progressive.jpeg", save={"progressive": True, "quality": 90}),
    Picture("rgb.webp", save={"lossless": True}),
    Picture("rgba.webp", "RGBA"),
    Picture("rgb.tiff"),
    Picture("rgba.tif", "RGBA", {"compression": "tiff_lzw"}),
    Picture("gray16.tiff", "I;16"),
    Picture("cmyk.tiff", "CMYK"),
    Picture("bilevel.tiff", "1", {"compression": "group4"}),
    Picture("rgb.bmp"),
    Picture("palette.bmp", "P"),
    Picture("palette.gif", "P"),
    Picture("rgb.avif"),
    Picture("rgba.avif", "RGBA"),
    Picture("rgb.jp2"),
    Picture("gray16.jp2", "I;16"),
    Picture("rgb.ppm"),
    Picture("gray.pgm", "L"),
    # What they carry.
    *(Picture(f"turned_{number}.jpg", tags=(f"-EXIF:Orientation#={number}",)) for number in range(1, 9)),
    Picture("turned_6.png", tags=("-EXIF:Orientation#=6",)),
    Picture("turned_6.webp", tags=("-EXIF:Orientation#=6",)),
    Picture("turned_6.tiff", tags=("-IFD0:Orientation#=6",)),
    Picture("exif_gps.jpg", tags=(*EXIF, *GPS)),
    Picture("exif_gps.png", tags=(*EXIF, *GPS)),
    Picture("exif_gps.webp", tags=(*EXIF, *GPS)),
    Picture("exif_gps.tiff", tags=(*EXIF, *GPS)),
    Picture("exif.avif", tags=EXIF),
    Picture("xmp_iptc.jpg", tags=(*XMP, *IPTC)),
    Picture("xmp.png", tags=XMP),
    Picture("xmp.webp", tags=XMP),
    Picture("xmp_iptc.tiff", tags=(*XMP, *IPTC)),
    Picture("xmp.gif", "P", tags=XMP),
    Picture("icc.jpg", icc=True, save={"dpi": (300, 300)}),
    Picture("icc.png", icc=True, save={"dpi": (300, 300)}),
    Picture("icc_rgba.webp", "RGBA", icc=True),
    Picture("icc.tiff", icc=True, save={"dpi": (300, 300)}),
    Picture("icc.avif", icc=True),
    Picture("dpi.bmp", save={"dpi": (300, 300)}),
    Picture("text.png", tags=("-PNG:Title=Harbour", "-PNG:Author=A. Person", "-PNG:Comment=Two words")),
    Picture("parameters.png", tags=("-PNG:Software=Painter", "-PNG:Description=a harbour, steps 20")),
    Picture("comment.jpg", tags=("-Comment=Two words",)),
    Picture("comment.gif", "P", {"comment": b"Two words"}),
    Picture("everything.jpg", "RGB", {"dpi": (240, 240)}, (*EXIF, *GPS, *XMP, *IPTC, "-EXIF:Orientation#=8"), icc=True),
)


def make(picture: Picture, folder: Path) -> Path:
    """The file, and how it is called."""
    path = folder / picture.name
    image = _pixels(picture.mode)
    if picture.edit:
        image = picture.edit(image)
    more = dict(picture.save)
    if picture.icc:
        more["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(path, **more)
    if picture.tags:
        command = ["exiftool", "-q", "-q", "-overwrite_original", *picture.tags, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    return path


def _pixels(mode: str) -> Image.Image:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    colours = np.stack([40 + 4 * x, 40 + 5 * y, 60 + 2 * (x + y)], -1).astype(np.uint8)
    if mode == "I;16":
        return Image.fromarray((x * 1500 + y * 100).astype(np.uint16))
    image = Image.fromarray(colours)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray((255 * (x > WIDTH // 2)).astype(np.uint8)))
    return image.convert(mode)
