"""The sizes that a picture passes through (spec: engine.md, section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from seedvr2.options import UpscaleOptions

Size = tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True)
class Sizes:
    """Width and height at each station: `first` resize, `resized`, `padded` for the networks, `output`."""

    first: Size
    resized: Size
    padded: Size
    output: Size


def plan_sizes(
    width: int, height: int, resolution: int, max_resolution: int = 0, multiple: int = 16, box: Size = (0, 0)
) -> Sizes:
    """The sizes of a source of `width` x `height` square pixels.

    Args:
        width, height: of the source as it is displayed.
        resolution: short edge of the result, in pixels.
        max_resolution: longest long edge of the result; 0 for no limit.
        multiple: what the networks need both edges to be a multiple of.
        box: width and height that the result never exceeds; 0 for no limit.
    """
    short, long = min(width, height), max(width, height)
    # Truncated, not rounded: the long edge of the reference.
    long = int(resolution * long / short)
    first = (resolution, long) if width <= height else (long, resolution)
    limits = ((max_resolution, max(first)), (box[0], first[0]), (box[1], first[1]))
    scale = min((most / edge for most, edge in limits if most), default=1.0)
    scale = min(scale, 1.0)
    # At least 2, which is the smallest output: a line of pixels may shrink to less than one.
    resized = (max(round(first[0] * scale), 2), max(round(first[1] * scale), 2))
    return Sizes(
        first=first,
        resized=resized,
        padded=(_ceil(resized[0], multiple), _ceil(resized[1], multiple)),
        output=(resized[0] // 2 * 2, resized[1] // 2 * 2),
    )


def sizes_of(source: Size, options: UpscaleOptions, multiple: int = 16) -> Sizes:
    """The sizes of a source (width, height in square pixels, as displayed) that is upscaled with these options."""
    return plan_sizes(*source, options.short_edge(*source), options.longest_edge, multiple, options.box)


def _ceil(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
