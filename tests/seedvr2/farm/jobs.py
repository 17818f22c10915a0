"""What the tests of farms have in common: a small video with sound and subtitles, and its plan in a few segments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av

from seedvr2 import UpscaleOptions, Upscaler

CLIP = Path(__file__).parents[2] / "fixtures" / "cases" / "46_ass_font_chapters.mkv"
FRAMES = 10
# One frame at a time and at most three a segment: four segments.
MOST = 3
OPTIONS = UpscaleOptions(resolution=32, batch_size=1, output_format="mkv")


def nano() -> Upscaler:
    """A fresh one, as each process of a farm has."""
    return Upscaler(Path("no-such-folder"), device="cpu", dtype="float32", default_model="nano")


def packets(path: Path) -> list[tuple[Any, ...]]:
    """All packets of a file, of all streams, to the last byte."""
    with av.open(str(path)) as container:
        return [(packet.stream_index, packet.pts, packet.dts, bytes(packet)) for packet in container.demux()]


def kinds(path: Path) -> Sequence[str]:
    """Of the streams of a file."""
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams]
