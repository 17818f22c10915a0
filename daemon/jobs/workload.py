"""How much there is to do in a job: the size of its result, in pixels and in megapixel-frames."""

from __future__ import annotations

from daemon.jobs.job import Media
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.sizes import sizes_of


def output_size(media: Media, options: UpscaleOptions) -> tuple[int, int]:
    """Width and height of the result, in pixels."""
    return sizes_of((max(media.width, 1), max(media.height, 1)), options).output


def work_of(media: Media, options: UpscaleOptions) -> float:
    """The size of a job, in megapixel-frames of its result."""
    width, height = output_size(media, options)
    return width * height * max(media.frames, 1) / 1e6
