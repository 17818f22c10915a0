"""Opening pictures for Pillow: without what it would give up over, though every pixel is there."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from seedvr2.media.pictures import png_chunks
from seedvr2.media.pictures.jpeg_segments import END, has_all_scans
from seedvr2.media.pictures.webp_chunks import is_webp, states_another_length, with_own_length

# Not all that Pillow knows: some of its readers start other programs or take MPEG for a picture. JPEG includes MPO.
PICTURES = (
    "PNG", "JPEG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF", "HEIF", "JPEG2000", "PPM", "QOI", "SGI", "DDS", "PCX",
)  # fmt: skip
HAS_HEIF = False
with suppress(ImportError):
    # Not on every platform.
    import pi_heif

    pi_heif.register_heif_opener()
    HAS_HEIF = True
NO_END = "The file lacks its end marker; all of its pixels are there."
WRONG_LENGTH = "The file states a wrong length; all of its pixels are there."
# Nothing in these files says what they are.
_TARGA = frozenset((".tga", ".targa", ".icb", ".vda", ".vst"))
_JPEG = b"\xff\xd8\xff"
# What a scan that is cut off would be filled with: zeros, or this, also behind restarts. One that is whole looks the
# same with either.
_JUNK = bytes(range(254, 0, -1))
_FILLINGS = (b"", _JUNK * 64 + b"".join(bytes((255, marker)) + _JUNK * 2 for marker in range(0xD0, 0xD8)) * 2)


@contextmanager
def picture_file(path: Path) -> Iterator[BinaryIO]:
    """The file as decoders get it."""
    with path.open("rb") as file:
        head = file.read(12)
        if head.startswith(png_chunks.SIGNATURE):
            yield png_chunks.for_decoder(file, png_chunks.read_chunks(file))
        elif is_webp(head) and states_another_length(file):
            yield with_own_length(file)
        else:
            file.seek(0)
            yield file


@contextmanager
def open_picture(path: Path) -> Iterator[Image.Image]:
    """A picture, not decoded yet. Raises as `Image.open`."""
    formats = (*PICTURES, "TGA") if path.suffix.lower() in _TARGA else PICTURES
    with picture_file(path) as file, Image.open(file, formats=formats) as image:
        yield image


@contextmanager
def loaded_picture(path: Path, page: int = 0) -> Iterator[tuple[Image.Image, list[str]]]:
    """A picture, decoded, and sentences on what is wrong with the file. Raises as `Image.load`."""
    with open_picture(path) as image:
        notes = _notes(path)
        if page:
            image.seek(page)
        try:
            image.load()
        except OSError:
            whole = _whole_jpeg(path)
            if whole is None:
                raise
        else:
            yield image, notes
            return
    with Image.open(BytesIO(whole), formats=("JPEG",)) as image:
        image.load()
        yield image, [NO_END]


def _notes(path: Path) -> list[str]:
    with path.open("rb") as file:
        head = file.read(12)
        if head.startswith(png_chunks.SIGNATURE) and not png_chunks.has_end(png_chunks.read_chunks(file)):
            return [NO_END]
        return [WRONG_LENGTH] if is_webp(head) and states_another_length(file) else []


def _whole_jpeg(path: Path) -> bytes | None:
    """A JPEG with the end that it lacks; None if more is missing."""
    data = path.read_bytes()
    if not data.startswith(_JPEG) or not has_all_scans(data):
        return None
    data = data.rstrip(b"\xff")
    seen = set()
    for filling in _FILLINGS:
        with Image.open(BytesIO(data + filling + END), formats=("JPEG",)) as image:
            seen.add(zlib.crc32(image.tobytes()))
    return data + END if len(seen) == 1 else None
