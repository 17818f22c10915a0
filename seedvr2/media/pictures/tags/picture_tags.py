"""What a picture carries beside its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seedvr2.media.pictures.tags import exif, xmp
from seedvr2.media.pictures.tags.exif import UPRIGHT
from seedvr2.media.pictures.tags.photoshop import resource_items

PQ, HLG = 16, 18
_LIGHT_CHUNKS = (b"mDCV", b"cLLI")
Cicp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class PictureTags:
    """What a picture carries. The names of what it carries are those of `PICTURE_ITEMS`.

    Attributes:
        icc: colour profile of the pixels; None for sRGB.
        exif: as of Pillow's `Exif.tobytes`: upright, without thumbnail; None if there is none.
        orientation: of the stored pixels, as EXIF has it.
        dpi: pixels per inch, horizontally and vertically; None if unknown.
        xmp: an XMP packet. resources: Photoshop's image resources (`8BIM`…), with IPTC and clipping paths.
        cicp: primaries, transfer, matrix (0) and range (1) of the RGB pixels, in the numbers of ITU-T H.273.
        color_chunks: gAMA, cHRM, sRGB, mDCV and cLLI of a PNG, as (kind, data).
        texts: tEXt, zTXt and iTXt of a PNG, as (kind, data).
        comment: of a JPEG or GIF.
        items: what else it has: of EXIF, and what no result can hold.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    orientation: int = UPRIGHT
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    resources: bytes | None = None
    cicp: Cicp | None = None
    color_chunks: tuple[tuple[bytes, bytes], ...] = ()
    texts: tuple[tuple[bytes, bytes], ...] = ()
    comment: bytes | None = None
    items: frozenset[str] = frozenset()

    @property
    def space(self) -> str:
        """What the profile describes: `RGB`, `CMYK`, `GRAY`, `Lab`…; empty without one."""
        return self.icc[16:20].decode("latin-1").strip() if self.icc else ""

    def present(self) -> frozenset[str]:
        """The keys of all that is there."""
        kinds = {kind for kind, _ in self.color_chunks}
        there = {
            "icc": self.icc,
            "exif": self.exif,
            "dpi": self.dpi,
            "xmp": self.xmp,
            "hdr": self.cicp and self.cicp[1] in (PQ, HLG),
            "cicp": self.cicp and self.cicp[1] not in (PQ, HLG),
            "gamma": kinds & {b"gAMA", b"cHRM"},
            "srgb": b"sRGB" in kinds,
            "light": kinds.intersection(_LIGHT_CHUNKS),
            "text": self.texts,
            "comment": self.comment,
        }
        return frozenset(key for key, value in there.items() if value) | self.items | resource_items(self.resources)

    def with_size(self, width: int, height: int) -> PictureTags:
        """The same for an upright picture of that size, without what refers to parts that are left out."""
        return replace(
            self,
            exif=self.exif and exif.with_size(self.exif, width, height),
            xmp=self.xmp and xmp.adjusted(self.xmp, width, height),
        )
