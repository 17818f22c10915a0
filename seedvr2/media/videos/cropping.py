"""The edges of the stored picture that a container wants to be hidden: Matroska's PixelCrop, mp4's clean aperture.

FFmpeg hands both to whoever asks for them, but PyAV does not. What a codec itself crops, the decoder has done.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from av.video.stream import VideoStream

from seedvr2.media.carried import boxes, ebml
from seedvr2.media.info import Pixels

_SIDES = {"PixelCropLeft": 0, "PixelCropTop": 1, "PixelCropRight": 2, "PixelCropBottom": 3}
_CLEAN_APERTURE = struct.Struct(">4IiIiI")  # width, height and the offsets of the centre, each over a denominator
_CLEAN_APERTURE_SIZE = 32


@dataclass(frozen=True, slots=True)
class Cropping:
    """Columns and rows of the stored picture to leave out at each side.

    `stretch`: what FFmpeg's shape of a pixel is to be multiplied by, since it worked it out from the whole picture.
    """

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0
    stretch: Fraction = Fraction(1)

    def __bool__(self) -> bool:
        return bool(self.left or self.top or self.right or self.bottom)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of what is left."""
        return width - self.left - self.right, height - self.top - self.bottom

    def apply(self, image: Pixels) -> Pixels:
        """What is left of (H, W, C), as a view."""
        height, width = image.shape[:2]
        return image[self.top : height - self.bottom, self.left : width - self.right]


def stated_cropping(path: Path, container_format: str, stream: VideoStream, width: int, height: int) -> Cropping:
    """What the container of a stream, whose pictures are `width` x `height`, wants to be left out.

    Numbers that leave nothing are ignored, as players do it. `container_format`: FFmpeg's name of it.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        if container_format.startswith("matroska"):
            found = _of_matroska(file, stream.index + 1)
        elif container_format.startswith("mov"):
            found = _of_mp4(file, stream, width, height)
        else:
            return Cropping()
    left = found.size(width, height)
    return found if min(left) > 0 and min(found.left, found.top, found.right, found.bottom) >= 0 else Cropping()


def _of_matroska(file: BinaryIO, track: int) -> Cropping:
    sides: list[int] = [0, 0, 0, 0]
    for element in ebml.walk(file):
        if element.track == track and element.name in _SIDES:
            sides[_SIDES[element.name]] = ebml.number(ebml.payload(file, element, 8))
    left, top, right, bottom = sides
    return Cropping(left, top, right, bottom)


def _of_mp4(file: BinaryIO, stream: VideoStream, width: int, height: int) -> Cropping:
    found, square = Cropping(), False
    for box in boxes.walk(file):
        if box.track != stream.id or "stsd" not in box.path:
            continue
        if box.kind == "clap":
            found = _clean_aperture(boxes.payload(file, box, _CLEAN_APERTURE_SIZE), width, height)
        square = square or box.kind == "pasp"
    aspect = stream.sample_aspect_ratio
    if not found or square or not aspect or aspect == stream.codec_context.sample_aspect_ratio:
        return found
    # The track's size is that of the clean aperture, and FFmpeg divides it by that of the whole picture.
    cropped = found.size(width, height)
    if min(cropped) <= 0:
        return Cropping()
    stretch = Fraction(width * cropped[1], height * cropped[0])
    return Cropping(found.left, found.top, found.right, found.bottom, stretch)


def _clean_aperture(data: bytes, width: int, height: int) -> Cropping:
    if len(data) < _CLEAN_APERTURE_SIZE:
        return Cropping()
    numbers = _CLEAN_APERTURE.unpack(data)
    if 0 in numbers[1::2]:
        return Cropping()
    wide, high, across, down = (Fraction(numbers[index], numbers[index + 1]) for index in (0, 2, 4, 6))
    # The offsets are those of the centre of what is shown from the centre of what is stored.
    left, top = round(across + (width - wide) / 2), round(down + (height - high) / 2)
    return Cropping(left, top, width - left - round(wide), height - top - round(high))
