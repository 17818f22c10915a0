"""What the headers of a video say about its pictures."""

from __future__ import annotations

from collections.abc import Iterator

from av.container import InputContainer
from av.stream import Stream
from av.video.format import VideoFormat

from seedvr2.media.videos.container import moving_tracks

# The name of a codec that FFmpeg does not know.
UNKNOWN = "unknown"


def codec_name(stream: Stream) -> str:
    """Name of a stream's codec, not of the decoder that happens to be used: `mp3`, not `mp3float`."""
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else UNKNOWN


def bit_depth(layout: VideoFormat) -> int:
    """8, 10, 12 or 16: the depth that holds a layout's samples."""
    bits = max((component.bits for component in layout.components), default=8)
    return next((depth for depth in (8, 10, 12) if bits <= depth), 16)


def has_alpha(layout: VideoFormat) -> bool:
    """Whether a layout carries transparency of its own."""
    return not layout.has_palette and any(component.is_alpha for component in layout.components)


def picture_warnings(container: InputContainer) -> Iterator[str]:
    """Sentences on what will not come out as it is in the file."""
    if len(moving_tracks(container)) > 1:
        yield "The file holds more than one video track; only one is upscaled, the others are left out."
