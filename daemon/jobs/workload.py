"""How much there is to do in a job: the size of its result, in pixels and in megapixel-frames."""

from __future__ import annotations

from daemon.jobs.job import Media
from seedvr2.options import UpscaleOptions


def output_size(media: Media, options: UpscaleOptions) -> tuple[int, int]:
    """Width and height of the result, in pixels, to within a pixel or two."""
    scale = options.resolution / max(min(media.width, media.height), 1)
    scale = min(scale, options.longest_edge / max(media.width, media.height, 1))
    return max(round(media.width * scale), 1), max(round(media.height * scale), 1)


def work_of(media: Media, options: UpscaleOptions) -> float:
    """The size of a job, in megapixel-frames of its result."""
    width, height = output_size(media, options)
    return width * height * max(media.frames, 1) / 1e6
