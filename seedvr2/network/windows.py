"""Which tokens attend to each other: windows over the token grid.

SeedVR's windows have the size that a 720p frame would give, so a larger frame has more windows, not larger ones
(SeedVR paper, section 3.2; spec: engine.md, section 1).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

Size = tuple[int, int, int]
Window = tuple[slice, slice, slice]

# The area of a 720p frame in tokens: 45 x 80 patches of 16 x 16 pixels.
_REFERENCE_AREA = 45 * 80
_MAX_FRAMES = 30


def window_size(grid: Size, counts: Size) -> Size:
    """Size (t, h, w) of a full window on a token grid (t, h, w) for a setting of `counts` windows at 720p."""
    t, h, w = grid
    scale = math.sqrt(_REFERENCE_AREA / (h * w))
    return (
        math.ceil(min(t, _MAX_FRAMES) / counts[0]),
        math.ceil(round(h * scale) / counts[1]),
        math.ceil(round(w * scale) / counts[2]),
    )


def partition(grid: Size, counts: Size, *, shifted: bool) -> list[Window]:
    """Windows that cover every token of the grid exactly once, width outermost and time innermost.

    `shifted` (odd blocks) moves the tiling by half a window on the axes that hold more than one.
    """
    axes = [
        list(_split(extent, size, shifted=shifted))
        for extent, size in zip(grid, window_size(grid, counts), strict=True)
    ]
    return [(t, h, w) for w in axes[2] for h in axes[1] for t in axes[0]]


def _split(extent: int, size: int, *, shifted: bool) -> Iterator[slice]:
    offset = 0.5 if shifted and size < extent else 0.0
    index = 0
    while (start := max(int((index - offset) * size), 0)) < extent:
        stop = min(int((index - offset + 1) * size), extent)
        if stop > start:
            yield slice(start, stop)
        index += 1


@dataclass(frozen=True)
class WindowGroup:
    """All windows of one size: `tokens` (windows, t*h*w) are indices into the raster of the grid."""

    size: Size
    tokens: Tensor


@dataclass(frozen=True)
class WindowLayout:
    """The windows of a grid, grouped by size so that each group is one batched attention call.

    Several clips can stand one after another, each with `count` windows, in each group one clip's after another's.
    """

    groups: tuple[WindowGroup, ...]
    count: int
    clips: int = 1

    def to(self, device: torch.device) -> WindowLayout:
        """The same layout with its indices on `device`."""
        moved = tuple(WindowGroup(group.size, group.tokens.to(device)) for group in self.groups)
        return WindowLayout(moved, self.count, self.clips)


@lru_cache(maxsize=64)
def window_layout(grid: Size, counts: Size, shifted: bool, device: torch.device) -> WindowLayout:
    """The windows of `partition` as token indices on `device`; cached, since every block of a forward asks."""
    raster = torch.arange(math.prod(grid)).view(grid)
    by_size: dict[Size, list[Tensor]] = defaultdict(list)
    windows = partition(grid, counts, shifted=shifted)
    for window in windows:
        tokens = raster[window]
        by_size[(tokens.shape[0], tokens.shape[1], tokens.shape[2])].append(tokens.flatten())
    groups = tuple(WindowGroup(size, torch.stack(tokens)) for size, tokens in by_size.items())
    return WindowLayout(groups, len(windows)).to(device)
