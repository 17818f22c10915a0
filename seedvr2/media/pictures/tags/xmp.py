"""XMP packets: the few statements in them that a new size, an upright picture or a left-out part make untrue."""

from __future__ import annotations

import re

# What XMP says of a file with more than a picture in it: Google's motion photos and containers, Adobe's gain maps,
# and the further packets of a JPEG.
_FLAGS = re.compile(rb"((?:GCamera|Camera|GDepth):(?:MotionPhoto|MicroVideo)\s*(?:=\s*[\"']|>)\s*)1(?=\s*[\"'<])")
_DIRECTORY = re.compile(rb"<(Container:Directory|GContainer:Directory)\b.*?</\1>", re.DOTALL)
_ATTRIBUTES = re.compile(rb"\s(?:hdrgm:\w+|xmpNote:HasExtendedXMP)\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_ELEMENTS = re.compile(rb"<((?:hdrgm:\w+)|xmpNote:HasExtendedXMP)\b[^>]*?(?:/>|>.*?</\1>)", re.DOTALL)
_DEPTH = re.compile(rb"GDepth:|Semantic\s*=\s*[\"'](?:android/)?depth|depthmap", re.IGNORECASE)
_GAIN_MAP = re.compile(rb"hdrgm:|HDRGainMap|hdrgainmap", re.IGNORECASE)


def adjusted(packet: bytes, width: int, height: int) -> bytes:
    """The packet for an upright picture of that size; all other bytes stay as they are."""
    for name, value in (
        (b"tiff:Orientation", 1),
        (b"tiff:ImageWidth", width),
        (b"tiff:ImageLength", height),
        (b"exif:PixelXDimension", width),
        (b"exif:PixelYDimension", height),
    ):
        number = rb"(%s\s*(?:=\s*[\"']|>)\s*)\d+" % name
        packet = re.sub(number, rb"\g<1>%d" % value, packet)
    packet = _FLAGS.sub(rb"\g<1>0", packet)
    for part in (_DIRECTORY, _ATTRIBUTES, _ELEMENTS):
        packet = part.sub(b"", packet)
    return packet


def tells_depth(packet: bytes) -> bool:
    """Whether a packet is about a depth map."""
    return bool(_DEPTH.search(packet))


def tells_gain_map(packet: bytes) -> bool:
    """Whether a packet is about a gain map, which brightens the picture on HDR screens."""
    return bool(_GAIN_MAP.search(packet))


def tells_video(packet: bytes) -> bool:
    """Whether a packet says that a short video goes with the picture."""
    return bool(_FLAGS.search(packet))
