"""The heads of OpenEXR, Radiance HDR, PFM and DPX files: size, and whether what is in them can be shown."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from seedvr2.errors import MediaError
from seedvr2.media.failures import cut_off

HEAD_BYTES = 1 << 16
_EXR, _DPX = b"v/1\1", (b"SDPX", b"XPDS")
_HDR = (b"#?RADIANCE", b"#?RGBE")
_HDR_SIZE = re.compile(rb"\n\n-Y (\d+) \+X (\d+)\n")
_PFM = re.compile(rb"(P[Ff])\s+(\d+)\s+(\d+)\s+[-+0-9.eE]+\s")
_EXR_WINDOW = re.compile(rb"dataWindow\0box2i\0\x10\0\0\0(.{16})", re.DOTALL)
_EXR_COLORS = re.compile(rb"chromaticities\0chromaticities\0\x20\0\0\0(.{32})", re.DOTALL)
_MULTIPART_OR_DEEP = 0x1800
_EXR_TILED, _MOST_PARTS = 2, 1 << 20
_DPX_TRANSFERS_OF_FILM = {1: "printing density", 3: "a logarithmic curve"}
_DPX_RGB = {50, 51, 52}


@dataclass(frozen=True, slots=True)
class FilmHeader:
    """What is known of such a picture.

    Attributes:
        codec: FFmpeg's decoder: `exr`, `hdr`, `pfm` or `dpx`. size: width and height.
        linear: its numbers are proportional to light. bit_depth: of what comes out of it.
        primaries: as the cHRM of a PNG, where they are others than those of sRGB.
    """

    codec: str
    size: tuple[int, int]
    linear: bool
    bit_depth: int = 16
    primaries: bytes = b""


def read_film_header(head: bytes, name: str) -> FilmHeader | None:
    """The header of a file that begins with `head`, at most `HEAD_BYTES` of it; None if it is of another kind.

    Raises:
        MediaError: what is in it cannot be shown; the message calls the file `name`.
    """
    if head.startswith(_EXR):
        return _exr(head, name)
    if head.startswith(_HDR):
        found = _HDR_SIZE.search(head)
        if found is None or b"FORMAT=32-bit_rle_xyze" in head:
            raise MediaError(f"{name} is a Radiance picture of an unusual kind; save it as PNG or TIFF first.")
        return FilmHeader("hdr", (int(found[2]), int(found[1])), linear=True)
    if found := _PFM.match(head):
        return FilmHeader("pfm", (int(found[2]), int(found[3])), linear=True)
    return _dpx(head, name) if head.startswith(_DPX) else None


def _exr(head: bytes, name: str) -> FilmHeader:
    (flags,) = struct.unpack_from("<I", head, 4)
    window = _EXR_WINDOW.search(head)
    if flags & _MULTIPART_OR_DEEP or window is None:
        raise MediaError(f"{name} is an OpenEXR of several parts; save the one to upscale as PNG or TIFF first.")
    primaries = b""
    if colors := _EXR_COLORS.search(head):
        red, green, blue, white = (struct.unpack_from("<2f", colors[1], place) for place in (0, 8, 16, 24))
        numbers = [round(value * 100_000) for point in (white, red, green, blue) for value in point]
        if min(numbers) < 0:
            raise MediaError(f"{name} is an OpenEXR with colours that no screen has (ACES); convert it to sRGB first.")
        primaries = struct.pack(">8I", *numbers)
    left, top, right, bottom = struct.unpack("<4i", window[1])
    return FilmHeader("exr", (right - left + 1, bottom - top + 1), linear=True, primaries=primaries)


def exr_is_whole(data: bytes) -> bool:
    """Whether every part that an OpenEXR lists is in the file: FFmpeg leaves black what is not. Raises IndexError."""
    tiled = bool(data[5] & _EXR_TILED)
    place = 8
    while data[place]:
        for _ in range(2):
            place = data.index(b"\0", place) + 1
        place += 4 + int.from_bytes(data[place : place + 4], "little")
    place += 1
    # The list ends where the first part begins; a part has its place, and its size in front of its bytes.
    first = int.from_bytes(data[place : place + 8], "little")
    count = (first - place) // 8
    if not 0 < count <= _MOST_PARTS or first > len(data):
        return False
    size_at = 16 if tiled else 4
    for (offset,) in struct.iter_unpack("<Q", data[place : place + 8 * count]):
        size = data[offset + size_at : offset + size_at + 4]
        if len(size) < 4 or offset + size_at + 4 + int.from_bytes(size, "little") > len(data):
            return False
    return True


def _dpx(head: bytes, name: str) -> FilmHeader:
    order = ">" if head.startswith(b"SDPX") else "<"
    if len(head) < 804:
        raise MediaError(cut_off(name))
    size = struct.unpack_from(f"{order}II", head, 772)
    descriptor, transfer, _, bits = struct.unpack_from("4B", head, 800)
    if film := _DPX_TRANSFERS_OF_FILM.get(transfer):
        raise MediaError(f"{name} is a DPX with {film}, as of film scans; convert it to sRGB first.")
    if descriptor not in _DPX_RGB:
        raise MediaError(f"{name} is a DPX of another kind than RGB; save it as PNG or TIFF first.")
    return FilmHeader("dpx", (size[0], size[1]), linear=transfer == 2, bit_depth=8 if bits == 8 else 16)
