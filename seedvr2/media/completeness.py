"""Whether a file is all there, by what it says of itself: half a copy often decodes as well as the whole.

Only what a file states counts: sizes of its parts, marks of its end. Files that state nothing, such as live streams,
are taken for complete. JPEG is left to its decoder: many whole ones lack the mark of their end.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from seedvr2.media.extents import boxes, matroska, pictures, streams, tiff
from seedvr2.media.extents.extent import Bytes, Extent

_HEAD = 16
# Each answers how far a file of its kind reaches by its own word, or None for a file of another kind.
_KINDS: tuple[Callable[[Bytes, bytes], Extent | None], ...] = (
    boxes.extent,
    matroska.extent,
    pictures.png,
    pictures.gif,
    tiff.extent,
    pictures.jpeg_2000,
    streams.riff,
    streams.asf,
    streams.flv,
    streams.ogg,
    streams.transport_stream,
    streams.mxf,
    streams.digital_video,
    streams.real_media,
)


def incomplete(path: Path) -> str:
    """Why the file cannot be all there, as a sentence; empty if it may be.

    Reads a few kilobytes here and there.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        data = Bytes(file.fileno(), os.fstat(file.fileno()).st_size)
        head = data.at(0, _HEAD)
        for kind in _KINDS:
            extent = kind(data, head)
            if extent is not None:
                return _sentence(extent, data.size)
    return ""


def _sentence(extent: Extent, size: int) -> str:
    if extent.missing:
        return f"The file is incomplete: {extent.missing}."
    if extent.end > size:
        return f"The file is incomplete: it says that it has at least {extent.end} bytes, and it has {size}."
    return ""
