"""Colour profiles made by hand, for spaces that Pillow makes none of."""

from __future__ import annotations

import struct

from PIL import ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def linear_gray() -> bytes:
    """A gray profile whose numbers are proportional to light, unlike sRGB's."""
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": b"curv" + bytes(4) + struct.pack(">IH", 1, 0x100) + bytes(2)})


def cmyk(ink: tuple[int, int, int]) -> bytes:
    """A CMYK profile of a press on which cyan looks like `ink` (L, a, b in 8 bits) and black is black."""
    table = bytearray()
    for corner in range(16):
        cyan, black = corner & 8, corner & 1
        table += bytes((0, 128, 128) if black else ink if cyan else (255, 128, 128))
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x10000))
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + ramp * 4 + bytes(table) + ramp * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": lut})


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    white = struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    everything = {b"wtpt": b"XYZ " + bytes(4) + white, **tags}
    offset, index, body = 128 + 4 + 12 * len(everything), b"", b""
    for name, data in everything.items():
        index += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = offset + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"test", 0x02400000, b"prtr", space, connection)
    head += bytes(12) + b"acsp" + bytes(28) + white
    return head.ljust(128, b"\0") + struct.pack(">I", len(everything)) + index + body
