"""What a media file is, and one of its frames."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Kind: TypeAlias = Literal["video", "picture"]
# 16384 x 16384. Phones have up to 200 megapixels; more than this is a decompression bomb or a mistake.
MAX_PIXELS = 2**28
Pixels: TypeAlias = NDArray[np.uint8 | np.uint16]


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What is known of a file before its frames are decoded.

    Attributes:
        kind: `video` where there can be more than one frame.
        width, height: of the display in square pixels: after rotation and sample aspect ratio.
        frames: the container's word or an estimate; None if there is neither. Never trust it to end a loop.
        fps: average rate. duration_s: seconds. Both None for pictures, or if unknown.
        has_alpha: frames come as RGBA.
        bit_depth: 8, 10, 12 or 16 of the file's samples; above 8, frames are uint16.
        codec, format: short names, such as `h264` and `mp4`.
        audio_codecs: of the audio tracks, in their order.
        animation: a picture file with more than one frame, such as a GIF, which can be written as one.
        warnings: sentences about what will not come out as it is in the file.
        incomplete: why the file cannot be all there, as a sentence; it is among the warnings too. Empty if it may be.
    """

    kind: Kind
    width: int
    height: int
    frames: int | None
    fps: Fraction | None
    duration_s: float | None
    has_alpha: bool
    bit_depth: int
    codec: str
    format: str
    audio_codecs: tuple[str, ...] = ()
    animation: bool = False
    warnings: tuple[str, ...] = ()
    incomplete: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes:
        image: (H, W, 3) RGB or (H, W, 4) RGBA with straight alpha, uint8 or uint16, over the full range. Upright, but
            with the pixels as they are stored: `MediaInfo.width` and `height` tell the shape that they are shown in.
        pts: time of presentation, in units of `time_base` seconds. Increases from frame to frame.
        duration: in the same units, or None if unknown.
        captions: closed captions that the frame carries, as the triplets of CEA-708; empty without.
    """

    image: Pixels
    pts: int = 0
    time_base: Fraction = Fraction(1)
    duration: int | None = None
    captions: bytes = b""
