"""What decoded frames carry beside their samples."""

from __future__ import annotations

from typing import Any

import av
from av.sidedata.sidedata import Type


def side_data(frame: av.VideoFrame) -> dict[str, bytes]:
    """All of it, by FFmpeg's names: `STEREO3D`, `CONTENT_LIGHT_LEVEL`…"""
    entries: Any = frame.side_data  # typed as a dict, but it iterates over its values
    return {entry.type.name: bytes(entry) for entry in entries}


def captions(frame: av.VideoFrame) -> bytes:
    """Closed captions as the triplets of CEA-708; empty without."""
    entries: Any = frame.side_data
    return next((bytes(entry) for entry in entries if entry.type is Type.A53_CC), b"")
