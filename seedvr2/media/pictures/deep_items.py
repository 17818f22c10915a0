"""AVIF and HEIF pictures with more than 8 bits per sample, which Pillow would cut to 8."""

from __future__ import annotations

import struct
from typing import Any

import av
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from seedvr2.media.pictures.heif_items import Item, item_bytes, read_items
from seedvr2.media.videos.colorspace import RgbReader

_DECODER = "libdav1d"
_SHIFT = {10: 6, 12: 4}


def item_depth(data: bytes) -> int:
    """Bits per sample of the picture that is shown, of a whole file; 8 where that is not known."""
    try:
        found = read_items(data)
    except (struct.error, IndexError):
        return 8
    if found is None:
        return 8
    shown = found.shown()
    tiles = [found.items[number] for number in shown.targets.get(b"dimg", ()) if number in found.items]
    for item in (shown, *tiles):
        pixels = item.prop(b"pixi")
        if pixels and len(pixels) > 5:
            return max(pixels[5 : 5 + pixels[4]])
        configuration = item.prop(b"av1C")
        if configuration and len(configuration) > 2 and configuration[2] & 0x40:
            return 12 if configuration[2] & 0x20 else 10
    return 8


def decode_avif(data: bytes, name: str) -> NDArray[np.uint16] | None:
    """The pixels, (H, W, 3) or with transparency (H, W, 4), as they are stored: not turned yet.

    None for what that takes more than decoding one picture, such as a grid. Errors are those of PyAV, and MediaError.
    """
    found = read_items(data)
    if found is None:
        return None
    shown = found.shown()
    # Cropped ones and those whose colours are multiplied by their opacity are left to Pillow's library.
    if shown.kind != b"av01" or shown.prop(b"clap") or b"prem" in shown.targets:
        return None
    color = _frame(item_bytes(shown, data))
    if color is None:
        return None
    _describe(color, shown)
    reader = RgbReader("avif", name, alpha=False, deep=True)
    pixels = np.asarray(reader(color, (color.width, color.height)), np.uint16)
    item = found.alpha()
    if item is None:
        return pixels
    alpha = _frame(item_bytes(item, data)) if item.kind == b"av01" else None
    if alpha is None or (alpha.width, alpha.height) != (color.width, color.height):
        return None
    return np.concatenate([pixels, _luma(alpha)[..., None]], axis=2)


def decode_heif(data: bytes) -> NDArray[np.uint16] | None:
    """The pixels, (H, W, 3 or 4) uint16, upright. Raises what pi-heif raises."""
    import pi_heif

    opened = pi_heif.open_heif(data, convert_hdr_to_8bit=False)
    image = opened[opened.primary_index]
    if image.mode not in ("RGB;16", "RGBA;16"):
        return None
    return np.array(np.asarray(image), np.uint16)


def _frame(data: bytes) -> av.VideoFrame | None:
    context = CodecContext.create(_DECODER, "r")
    assert isinstance(context, VideoCodecContext)
    frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    return frames[0] if frames else None


def _describe(frame: av.VideoFrame, item: Item) -> None:
    """The container's word on colours goes before the stream's."""
    for box in item.properties:
        if box.kind == b"colr" and box.body[:4] == b"nclx":
            primaries, transfer, matrix, full = struct.unpack_from(">HHHB", box.body, 4)
            frame.color_primaries, frame.color_trc, frame.colorspace = primaries, transfer, matrix
            frame.color_range = 2 if full & 0x80 else 1


def _luma(frame: av.VideoFrame) -> NDArray[np.uint16]:
    """(H, W) of the brightness, to the full range."""
    gray = frame.reformat(format="gray16le") if frame.format.name.startswith("gray") else frame
    plane: Any = gray.planes[0]
    bits = frame.format.components[0].bits
    wide = 2 if bits > 8 or gray is not frame else 1
    rows: NDArray[Any] = np.ndarray((frame.height, plane.line_size // wide), np.dtype(f"u{wide}"), buffer=plane)
    values = rows[:, : frame.width].astype(np.float32)
    peak = 65535.0 if gray is not frame else float((1 << bits) - 1)
    if int(frame.color_range) == 1:
        unit = (peak + 1) / 256
        values, peak = values - 16 * unit, 219 * unit
    return np.rint(values.clip(0, peak) * (65535 / peak)).astype(np.uint16)
