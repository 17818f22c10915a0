"""Reader and writer without the networks between them: each frame doubled, each pixel four times."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seedvr2.media import open_sink, open_source
from seedvr2.media.info import Pixels
from seedvr2.media.sink import Sink
from seedvr2.options import UpscaleOptions
from tests.seedvr2.media.clips import fitted


def double(source: Path, target: Path, output_format: str) -> tuple[str, ...]:
    """Write `target` from `source` at twice the size; answers the warnings, as a job would have them."""
    with open_source(source) as opened:
        width, height = 2 * opened.info.width, 2 * opened.info.height
        with open_sink(target, opened, width, height, UpscaleOptions(output_format=output_format)) as sink:
            for frame in opened.frames():
                sink.write(_prepared(frame.image, width, height, sink), frame)
        return (*opened.warnings, *sink.warnings)


def _prepared(image: Pixels, width: int, height: int, sink: Sink) -> Pixels:
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    larger = image[rows][:, columns]
    return fitted(larger, sink)
