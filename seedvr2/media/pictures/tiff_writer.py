"""Writing TIFF with 8 or 16 bits per sample: Pillow has no 16-bit colour, and loses EXIF when it compresses."""

from __future__ import annotations

import zlib
from io import BytesIO
from itertools import accumulate

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from seedvr2.media.info import Pixels
from seedvr2.media.pictures.tags.exif import copy_exif
from seedvr2.media.pictures.tags.of_tiff import IPTC, RESOURCES, XMP
from seedvr2.media.pictures.tags.photoshop import iptc_of
from seedvr2.media.pictures.tags.picture_tags import PictureTags

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIP_OFFSETS = 256, 257, 258, 259, 262, 273
_CHANNELS, _ROWS_PER_STRIP, _STRIP_SIZES, _X_RESOLUTION, _Y_RESOLUTION = 277, 278, 279, 282, 283
_PLANAR, _RESOLUTION_UNIT, _PREDICTOR, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _ICC_PROFILE = 284, 296, 317, 338, 339, 34675
_DEFLATE, _HORIZONTAL, _RGB, _INTERLEAVED, _INCH, _STRAIGHT_ALPHA, _UNSIGNED = 8, 2, 2, 1, 2, 2, 1
_BYTE, _UNDEFINED = 1, 7
_STRIP_BYTES = 1 << 20


def encode_tiff(image: Pixels, tags: PictureTags) -> bytes:
    """A deflated TIFF of (H, W, 3) or (H, W, 4), uint8 or uint16, with what it carries."""
    height, width, channels = image.shape
    rows = min(height, max(1, _STRIP_BYTES // (width * channels * image.itemsize)))
    strips = [_deflate(image[top : top + rows]) for top in range(0, height, rows)]
    directory = _describe(tags)
    directory[_WIDTH], directory[_HEIGHT], directory[_CHANNELS] = width, height, channels
    directory[_BITS] = (image.itemsize * 8,) * channels
    directory[_SAMPLE_FORMAT] = (_UNSIGNED,) * channels
    directory[_COMPRESSION], directory[_PREDICTOR] = _DEFLATE, _HORIZONTAL
    directory[_PHOTOMETRIC], directory[_PLANAR] = _RGB, _INTERLEAVED
    if channels == 4:
        directory[_EXTRA_SAMPLES] = (_STRAIGHT_ALPHA,)
    directory[_ROWS_PER_STRIP] = rows
    directory[_STRIP_SIZES] = tuple(len(strip) for strip in strips)
    # Counted from the end of the directory, which makes them offsets into the file when it is saved.
    directory[_STRIP_OFFSETS] = tuple(accumulate((len(strip) for strip in strips[:-1]), initial=0))
    file = BytesIO()
    directory.save(file)
    file.writelines(strips)
    return file.getvalue()


def _describe(tags: PictureTags) -> ImageFileDirectory_v2:
    directory = ImageFileDirectory_v2()
    if tags.exif:
        exif = Image.Exif()
        exif.load(tags.exif)
        copy_exif(exif, directory)
    iptc = iptc_of(tags.resources or b"")
    for tag, kind, data in (
        (_ICC_PROFILE, _UNDEFINED, tags.icc),
        (XMP, _BYTE, tags.xmp),
        (IPTC, _UNDEFINED, iptc),
        (RESOURCES, _BYTE, tags.resources),
    ):
        if data:
            directory.tagtype[tag] = kind
            directory[tag] = data
    if tags.dpi:
        directory[_X_RESOLUTION], directory[_Y_RESOLUTION] = tags.dpi
        directory[_RESOLUTION_UNIT] = _INCH
    return directory


def _deflate(rows: Pixels) -> bytes:
    """A strip of pixels as differences to their left neighbours, which deflate better than the samples."""
    differences = rows.astype("<u2" if rows.dtype == np.uint16 else np.uint8)
    differences[:, 1:] -= rows[:, :-1]
    return zlib.compress(differences.tobytes())
