"""How much memory it takes to decode a file's first frame, from its header: a bomb of a picture is small on the disk.

The bytes per pixel are measured, as peaks of a process that decodes a picture of 9 megapixels.
"""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from seedvr2.errors import MediaError, OutOfMemoryError, TooLargeError
from seedvr2.media.failures import DECODING_ERRORS
from seedvr2.media.pictures.film_header import HEAD_BYTES, read_film_header
from seedvr2.media.pictures.mended import open_picture
from seedvr2.planning import host_memory
from seedvr2.units import gigabytes

# What Pillow keeps of a pixel; in all other modes 4 bytes.
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
# What the decoder takes beside, while it works.
_BESIDE = {"WEBP": 12, "JPEG2000": 16, "AVIF": 6, "HEIF": 8, "TIFF": 2}
_PROGRESSIVE = 6
# The frames of an animation are put together on a canvas, and converted.
_CANVAS = 12
# FFmpeg's samples with 16 bits, the same as an array, and that with the channels wanted.
_DEEP = 28
# The same with samples of 32 bits, of which some rows are converted at a time.
_FILM = 56
# A video's frames in the decoder at 3 bytes (10 bits), and the converted one; each of its threads has one more.
_VIDEO, _VIDEO_THREAD, _MOST_THREADS = 18, 3, 16


def picture_need(image: Image.Image, path: Path) -> int:
    """Bytes at the peak of decoding a picture that Pillow has opened but not loaded."""
    kind = image.format or ""
    each = _STORED.get(image.mode, 4) + _BESIDE.get(kind, 0)
    if kind == "JPEG" and "progressive" in image.info:
        each += _PROGRESSIVE
    # Of a GIF it would take a walk through the file to tell.
    if kind == "GIF" or getattr(image, "is_animated", False):
        each += _CANVAS
    return image.width * image.height * each + path.stat().st_size


def deep_need(width: int, height: int) -> int:
    """Bytes at the peak of decoding a picture of 16-bit samples."""
    return width * height * _DEEP


def film_need(width: int, height: int) -> int:
    """Bytes at the peak of decoding a picture of floating-point samples."""
    return width * height * _FILM


def video_need(width: int, height: int) -> int:
    """Bytes at the peak of decoding the first frame of a video."""
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    return width * height * (_VIDEO + _VIDEO_THREAD * threads)


def decoding_need(path: Path) -> int:
    """Bytes at the peak of decoding the first frame of a file; 0 where that is not known, as of what is no picture."""
    try:
        if path.is_file():
            with path.open("rb") as file:
                film = read_film_header(file.read(HEAD_BYTES), path.name)
            if film is not None:
                return film_need(*film.size)
            with open_picture(path) as image:
                return picture_need(image, path)
    except (*DECODING_ERRORS, MediaError):
        # What is wrong with it is said when it is opened.
        return 0
    return 0


def check_room(name: str, need: int) -> None:
    """Refuse to decode what this machine could not hold.

    Raises:
        TooLargeError: it never could. OutOfMemoryError: it cannot now.
    """
    most, now = host_memory.capacity() - host_memory.OWN, host_memory.obtainable()
    if need > most:
        raise TooLargeError(
            f"{name} has too many pixels for this machine: decoding it takes {gigabytes(need)} of memory, and there "
            f"are {gigabytes(most)}; scale it down first."
        )
    if need > now:
        raise OutOfMemoryError(
            f"There is not enough free memory to decode {name} now: it takes {gigabytes(need)}, and {gigabytes(now)} "
            "are free; try again when less is running."
        )
