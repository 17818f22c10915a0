"""What the head of a picture file says, before any pixel is unpacked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from seedvr2.errors import MediaError
from seedvr2.media.failures import too_large
from seedvr2.media.info import MAX_PIXELS
from seedvr2.media.orientation import Orientation, exif_orientation
from seedvr2.media.pictures.picture_modes import DEEP_GRAY
from seedvr2.media.pictures.picture_tags import PictureTags, read_picture_tags

_TIFF_MAGIC = (b"II*\0", b"MM\0*")
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION, _CHANNELS = 256, 257, 258, 262, 274, 277
_EXTRA_SAMPLES, _SAMPLE_FORMAT, _ICC_PROFILE = 338, 339, 34675
_ASSOCIATED = 1


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """What is known of a picture.

    Attributes:
        format: `png`, `jpeg`, `tiff`…
        size: width and height, upright.
        has_alpha: it has transparency of any kind.
        bit_depth: 8 or 16.
        deep_codec: FFmpeg's decoder for a picture that Pillow would cut to 8 bits or does not know; else None.
        identified: Pillow knows it.
        premultiplied: TIFF colours are stored multiplied by alpha.
        orientation: to be applied to what FFmpeg decodes; Pillow does it for TIFF by itself.
        tags: what it carries beside its pixels.
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
    warnings: tuple[str, ...] = field(default=())


def read_header(path: Path) -> PictureHeader:
    """Read the head of a picture.

    Raises:
        MediaError: it is too large, or of a kind that cannot be read.
        OSError, ValueError, SyntaxError, …: what Pillow raises for files that are no pictures, or damaged.
    """
    with path.open("rb") as file:
        head = file.read(26)
    try:
        with Image.open(path) as image:
            header = _from_pillow(image, head)
    except UnidentifiedImageError:
        # Kinds of TIFF that only FFmpeg knows, such as 16-bit gray with alpha.
        if not head.startswith(_TIFF_MAGIC):
            raise
        header = _from_directory(path, head)
    if header.size[0] * header.size[1] > MAX_PIXELS:
        raise MediaError(too_large(path.name))
    return header


def _from_pillow(image: Image.Image, head: bytes) -> PictureHeader:
    tags, warnings = read_picture_tags(image)
    orientation = exif_orientation(tags.orientation)
    # Pillow states the upright size of a TIFF.
    size = image.size if image.format == "TIFF" else orientation.size(*image.size)
    deep = _deep_codec(image, head)
    if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
        warnings.append("The file has more than one page; only the first is used.")
    return PictureHeader(
        format={"MPO": "jpeg"}.get(image.format or "", (image.format or "").lower()),
        size=size,
        has_alpha=image.has_transparency_data,
        bit_depth=16 if deep or image.mode in DEEP_GRAY else 8,
        deep_codec=deep,
        identified=True,
        premultiplied=_ASSOCIATED in _tiff_values(image, _EXTRA_SAMPLES),
        orientation=orientation,
        tags=tags,
        warnings=tuple(warnings),
    )


def _deep_codec(image: Image.Image, head: bytes) -> str | None:
    if head.startswith(_PNG_MAGIC):
        return "png" if head[24] == 16 else None
    unsigned = set(_tiff_values(image, _SAMPLE_FORMAT)) <= {1}
    rgb = _tiff_values(image, _PHOTOMETRIC) == (2,)
    return "tiff" if rgb and unsigned and set(_tiff_values(image, _BITS)) == {16} else None


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
