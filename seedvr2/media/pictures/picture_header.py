"""What the head of a picture file says, before any pixel is unpacked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from seedvr2.errors import MediaError
from seedvr2.media.failures import too_large
from seedvr2.media.info import MAX_PIXELS
from seedvr2.media.orientation import Orientation, exif_orientation
from seedvr2.media.pictures.boxes import jpeg2000_depth
from seedvr2.media.pictures.deep_items import item_depth
from seedvr2.media.pictures.mended import open_picture
from seedvr2.media.pictures.picture_modes import DEEP_GRAY
from seedvr2.media.pictures.png_chunks import SIGNATURE
from seedvr2.media.pictures.tags.picture_tags import PictureTags
from seedvr2.media.pictures.tags.reading import read_picture_tags
from seedvr2.media.pictures.tiff_directories import Directory, read_directories

_TIFF_MAGIC = (b"II*\0", b"MM\0*")
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION, _CHANNELS = 256, 257, 258, 262, 274, 277
_EXTRA_SAMPLES, _SAMPLE_FORMAT, _ICC_PROFILE = 338, 339, 34675
_ASSOCIATED = 1
_COLORS = ("RGB", "RGBA")


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """What is known of a picture.

    Attributes:
        format: `png`, `jpeg`, `tiff`…
        size: width and height, upright.
        has_alpha: it has transparency of any kind.
        bit_depth: 8, 10, 12 or 16.
        deep_codec: `avif`, `heif`, or a name of FFmpeg's: the decoder for a picture that Pillow would cut to 8 bits
            or does not know; else None.
        identified: Pillow reads it.
        premultiplied: TIFF colours are stored multiplied by alpha.
        orientation: to be applied to what FFmpeg decodes; Pillow does it for TIFF by itself.
        tags: what it carries beside its pixels.
        page: of a TIFF, the first one that is no smaller copy of another; of a PNG, what it shows.
        warnings: sentences on what will not come out as it is.
    """

    format: str
    size: tuple[int, int]
    has_alpha: bool
    bit_depth: int
    deep_codec: str | None
    identified: bool
    premultiplied: bool
    orientation: Orientation
    tags: PictureTags
    page: int = 0
    warnings: tuple[str, ...] = field(default=())


def read_header(path: Path) -> PictureHeader:
    """Read the head of a picture.

    Raises:
        MediaError: it is too large, or of a kind that cannot be read.
        OSError, ValueError, SyntaxError, …: what Pillow raises for files that are no pictures, or damaged.
    """
    with path.open("rb") as file:
        head = file.read(26)
        pages = read_directories(file)
    page = _full_page(pages, path.name)
    try:
        with open_picture(path) as image:
            if page:
                image.seek(page)
            header = _from_pillow(image, head, path, page)
    except UnidentifiedImageError:
        # Kinds of TIFF that only FFmpeg knows, such as 16-bit gray with alpha.
        if not head.startswith(_TIFF_MAGIC):
            raise
        header = _from_directory(path, head)
    if sum(not each.secondary for each in pages) > 1:
        header = replace(header, tags=replace(header.tags, items=header.tags.items | {"pages"}))
    if header.size[0] * header.size[1] > MAX_PIXELS:
        raise MediaError(too_large(path.name))
    return header


def _full_page(pages: list[Directory], name: str) -> int:
    """The page to read: cameras and scanners put a small copy before the picture."""
    page = next((index for index, each in enumerate(pages) if not each.secondary), None)
    if pages and page is None:
        if any(not each.secondary for one in pages for each in one.sub):
            raise MediaError(f"{name} is a TIFF whose full picture is kept below a small one; save it as a plain TIFF.")
        # A file of nothing but small copies: the first is what there is.
        return 0
    return page or 0


def _from_pillow(image: Image.Image, head: bytes, path: Path, page: int) -> PictureHeader:
    tags, warnings = read_picture_tags(image, path)
    orientation = exif_orientation(tags.orientation)
    # Pillow states the upright size of a TIFF.
    size = image.size if image.format == "TIFF" else orientation.size(*image.size)
    deep, depth = _deep_codec(image, head, path)
    if getattr(image, "default_image", False):
        # An animated PNG whose only frame is not the picture that comes first. FFmpeg would decode that one.
        page = 1
        if deep:
            warnings.append(f"The picture was read with 8 of its {depth} bits.")
            deep, depth = None, 8
    if image.format == "JPEG2000" and (stated := jpeg2000_depth(path.read_bytes())) > depth and image.mode in _COLORS:
        warnings.append(f"The picture was read with 8 of its {stated} bits.")
    return PictureHeader(
        format={"MPO": "jpeg"}.get(image.format or "", (image.format or "").lower()),
        size=size,
        has_alpha=image.has_transparency_data,
        bit_depth=16 if image.mode in DEEP_GRAY else depth,
        deep_codec=deep,
        # Pillow fails at half of the SGI pictures with 16 bits.
        identified=deep != "sgi",
        premultiplied=_ASSOCIATED in _tiff_values(image, _EXTRA_SAMPLES),
        orientation=orientation,
        tags=tags,
        page=page,
        warnings=tuple(warnings),
    )


def _deep_codec(image: Image.Image, head: bytes, path: Path) -> tuple[str | None, int]:
    """The decoder to take instead of Pillow's, and the bits per sample."""
    if head.startswith(SIGNATURE):
        return ("png", 16) if head[24] == 16 else (None, 8)
    if image.format in ("AVIF", "HEIF"):
        depth = item_depth(path.read_bytes())
        return (image.format.lower(), depth) if depth > 8 else (None, 8)
    if image.format == "PPM" and head.startswith(b"P6") and getattr(image, "tile", [("",)])[0][0] == "ppm":
        # Pillow reads 8 bits of P6 with a decoder for all programs' use, and more with this one.
        return "ppm", 16
    if image.format == "SGI" and head[3] == 2:
        return "sgi", 16
    if image.format == "JPEG2000" and image.mode in _COLORS and jpeg2000_depth(path.read_bytes()) == 16:
        return "jpeg2000", 16
    unsigned = set(_tiff_values(image, _SAMPLE_FORMAT)) <= {1}
    rgb = _tiff_values(image, _PHOTOMETRIC) == (2,)
    return ("tiff", 16) if rgb and unsigned and set(_tiff_values(image, _BITS)) == {16} else (None, 8)


def _tiff_values(image: Image.Image, tag: int) -> tuple[int, ...]:
    value = getattr(image, "tag_v2", {}).get(tag, ())
    return value if isinstance(value, tuple) else (value,)


def _from_directory(path: Path, head: bytes) -> PictureHeader:
    """A TIFF that Pillow does not know, from its first directory."""
    directory = ImageFileDirectory_v2(head[:8])
    with path.open("rb") as file:
        file.seek(directory.next)
        directory.load(file)
    bits, forms = directory.get(_BITS, (1,)), directory.get(_SAMPLE_FORMAT, (1,))
    if set(forms) != {1} or set(bits) != {16}:
        kind = "floating-point samples" if 3 in forms else f"{max(bits)}-bit samples of an unusual kind"
        raise MediaError(f"{path.name} is a TIFF with {kind}; convert it to 8 or 16 bits per sample first.")
    orientation = exif_orientation(directory.get(_ORIENTATION))
    return PictureHeader(
        format="tiff",
        size=orientation.size(int(directory[_WIDTH]), int(directory[_HEIGHT])),
        has_alpha=directory.get(_CHANNELS, 1) in (2, 4),
        bit_depth=16,
        deep_codec="tiff",
        identified=False,
        premultiplied=_ASSOCIATED in directory.get(_EXTRA_SAMPLES, ()),
        orientation=orientation,
        tags=PictureTags(icc=directory.get(_ICC_PROFILE)),
    )
