"""Colour profiles made of what a PNG, AVIF or HEIC says in numbers, for formats that have no place for those."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from seedvr2.media.pictures.tags.picture_tags import Cicp

# Chromaticities of red, green, blue and white in ITU-T H.273, by number.
_D65 = (0.3127, 0.3290)
_PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    4: ((0.670, 0.330), (0.210, 0.710), (0.140, 0.080), (0.310, 0.316)),
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
# Transfer functions as ICC's parametric curves: the number of the kind, then its parameters.
_SRGB = (3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709 = (3, 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: dict[int, tuple[float, ...]] = {
    1: _BT709, 4: (0, 2.2), 5: (0, 2.8), 6: _BT709, 8: (0, 1.0), 13: _SRGB, 14: _BT709, 15: _BT709,
}  # fmt: skip
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SRGB_GAMMA = 45455
Point = tuple[float, float]


def profile_of_cicp(cicp: Cicp) -> bytes | None:
    """A profile; None for primaries and curves that an ordinary profile cannot state, such as PQ."""
    primaries, curve = _PRIMARIES.get(cicp[0]), _CURVES.get(cicp[1])
    return _profile(primaries, curve) if primaries and curve else None


def profile_of_chunks(chunks: dict[bytes, bytes]) -> bytes | None:
    """A profile of gAMA and cHRM; None where they say sRGB, or nothing."""
    primaries = _PRIMARIES[1]
    curve: tuple[float, ...] = _SRGB
    if len(chunks.get(b"cHRM", b"")) == 32:
        x_y = [value / 100_000 for value in struct.unpack(">8I", chunks[b"cHRM"])]
        white, red, green, blue = ((x_y[index], x_y[index + 1]) for index in range(0, 8, 2))
        primaries = (red, green, blue, white)
    if len(chunks.get(b"gAMA", b"")) == 4:
        (gamma,) = struct.unpack(">I", chunks[b"gAMA"])
        if gamma and abs(gamma - _SRGB_GAMMA) > 100:
            curve = (0, 100_000 / gamma)
    near = np.allclose(primaries, _PRIMARIES[1], atol=1e-3)
    return None if near and curve is _SRGB else _profile(primaries, curve)


def _profile(primaries: tuple[Point, ...], curve: tuple[float, ...]) -> bytes | None:
    """An ICC profile, version 4, of three primaries and one curve."""
    if any(y <= 0 for _, y in primaries):
        return None
    try:
        matrix = _to_d50(primaries)
    except np.linalg.LinAlgError:
        return None
    kind, *numbers = curve
    tone = b"para" + bytes(4) + struct.pack(">HH", int(kind), 0) + b"".join(_fixed(number) for number in numbers)
    text = "RGB".encode("utf-16-be")
    words = b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28) + text
    tags = {b"desc": words, b"cprt": words, b"wtpt": _xyz(_D50)}
    tags |= {name: _xyz(matrix[:, index]) for index, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tone)
    index, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        index += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = start + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x04000000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(_fixed(v) for v in _D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + body


def _to_d50(primaries: tuple[Point, ...]) -> NDArray[np.float64]:
    """The XYZ of red, green and blue as columns, seen by an eye that has got used to D50."""
    red, green, blue, white = (np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in primaries)
    columns = np.stack([red, green, blue], axis=1)
    matrix = columns * np.linalg.solve(columns, white)
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ (gains[:, None] * (_BRADFORD @ matrix))
    return adapted


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(value) for value in values)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))
