"""Pictures with 16 bits per sample through FFmpeg, since Pillow keeps only 8 of them where there is colour."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from seedvr2.media.pictures.png_chunks import SIGNATURE
from seedvr2.media.pictures.tags.picture_tags import PictureTags
from seedvr2.media.pictures.tags.writing import png_with_tags

_LAYOUTS = ("gray16", "ya16", "rgb48", "rgba64", "gbrp16", "gbrap16")


def decode_deep(data: bytes, codec: str) -> NDArray[np.uint16] | None:
    """The pixels, (H, W, 1…4) as gray, gray + alpha, RGB or RGBA; None if the file is of another kind after all.

    Args:
        data: the whole file. codec: `png`, `tiff`, `ppm`, `sgi` or `jpeg2000`.

    Raises:
        av.FFmpegError: it is damaged, or of a kind that FFmpeg does not know.
    """
    context = CodecContext.create(codec, "r")
    assert isinstance(context, VideoCodecContext)
    frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    if not frames or not frames[0].format.name.startswith(_LAYOUTS):
        return None
    frame = frames[0]
    if frame.format.name.startswith("ya16"):
        return _gray_with_alpha(frame)
    pixels = frame.to_ndarray().astype(np.uint16)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _gray_with_alpha(frame: av.VideoFrame) -> NDArray[np.uint16]:
    """The one layout that PyAV makes no array of."""
    plane: Any = frame.planes[0]
    order = ">u2" if frame.format.is_big_endian else "<u2"
    rows: NDArray[np.uint16] = np.ndarray((frame.height, plane.line_size // 2), order, buffer=plane)
    return rows[:, : frame.width * 2].astype(np.uint16).reshape(frame.height, frame.width, 2)


def encode_deep_png(image: NDArray[np.uint16], tags: PictureTags) -> bytes:
    """A PNG of (H, W, 3) or (H, W, 4) with what it carries."""
    return png_with_tags(_bare(_encode_png(image)), tags)


def _encode_png(image: NDArray[np.uint16]) -> bytes:
    height, width, channels = image.shape
    layout = {3: "rgb48be", 4: "rgba64be"}[channels]
    context = CodecContext.create("png", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, layout
    context.time_base = Fraction(1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), layout)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


def _bare(data: bytes) -> bytes:
    """The header and the chunks that hold the pixels; the encoder's others only state a pixel shape."""
    found, position = [SIGNATURE], len(SIGNATURE)
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind in (b"IHDR", b"IDAT", b"IEND"):
            found.append(data[position : position + length + 12])
        position += length + 12
    return b"".join(found)
