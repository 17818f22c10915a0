"""Whether an encoder that is part of a card codes a video here. This is the one door to such a card's encoders."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import av
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext

_RATE = Fraction(25)


@cache
def trouble_with(codec: str, layout: str, width: int, height: int, options: tuple[tuple[str, str], ...]) -> str:
    """Why an encoder does not take samples of that layout and size with these options; empty if it does.

    It is asked by opening it: cards differ in codecs, depths and sizes, and some code few videos at once. The answer is
    remembered, so that all parts of a video are coded alike.
    """
    try:
        open_once(codec, layout, width, height, dict(options))
    except (av.FFmpegError, ValueError) as error:
        return str(getattr(error, "strerror", "") or error)
    return ""


def open_once(codec: str, layout: str, width: int, height: int, options: dict[str, str]) -> None:
    """Open an encoder and close it again.

    Raises:
        av.FFmpegError, ValueError: it does not open, or PyAV does not have it.
    """
    context = CodecContext.create(codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, layout
    context.framerate, context.time_base, context.options = _RATE, 1 / _RATE, options
    context.open()
