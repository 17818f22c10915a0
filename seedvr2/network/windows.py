"""Which tokens attend to each other: windows over the token grid.

SeedVR's windows have the size that a 720p frame would give, so a larger frame has more windows, not larger ones
(SeedVR paper, section 3.2; spec: engine.md, section 1).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from seedvr2.network.memo import Memo

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


@dataclass(frozen=True, slots=True)
class Piece:
    """Some tokens of one group: `tokens` of each of its `windows`; in window order they are the rows `rows`."""

    group: int
    windows: slice
    tokens: slice
    rows: slice


@dataclass(frozen=True)
class WindowLayout:
    """The windows of a grid, grouped by size, shorter ones first, so that those of one length stand side by side.

    *Window order* is that of the groups: tokens of a window are neighbours, and so are windows of one size. Several
    clips can stand one after another, each with `count` windows, in each group one clip's after another's.
    """

    groups: tuple[WindowGroup, ...]
    count: int
    clips: int = 1

    @cached_property
    def order(self) -> Tensor:
        """For each place in window order, the token in raster order (tokens,)."""
        return torch.cat([group.tokens.flatten() for group in self.groups])

    @cached_property
    def places(self) -> Tensor:
        """For each token in raster order, its place in window order (tokens,)."""
        return self.order.argsort()

    def moved_from(self, other: WindowLayout) -> Tensor | None:
        """For each place here the place there, both in window order; None where they are the same."""
        return None if other is self else other.places[self.order]

    @cached_property
    def lengths(self) -> tuple[tuple[int, int], ...]:
        """Tokens of a window and how many such windows stand side by side, in window order."""
        runs: dict[int, int] = defaultdict(int)
        for group in self.groups:
            runs[group.tokens.shape[1]] += group.tokens.shape[0]
        return tuple(runs.items())

    def pieces(self, rows: int) -> Iterator[Piece]:
        """All tokens in window order, about `rows` at a time: whole windows, or equal parts of one."""
        start = 0
        for index, group in enumerate(self.groups):
            windows, length = group.tokens.shape
            together = max(rows // length, 1)
            part = math.ceil(length / math.ceil(length / rows))
            for first in range(0, windows, together):
                last = min(first + together, windows)
                for token in range(0, length, part):
                    stop = min(token + part, length)
                    count = (stop - token) * (last - first)
                    yield Piece(index, slice(first, last), slice(token, stop), slice(start, start + count))
                    start += count


def window_layout(grid: Size, counts: Size, shifted: bool, device: torch.device) -> WindowLayout:
    """The windows of `partition` as token indices on `device`; kept, since every block of a forward asks.

    Where shifting moves no window, the shifted layout is the regular one itself.
    """

    def make() -> WindowLayout:
        windows = partition(grid, counts, shifted=shifted)
        if shifted and windows == partition(grid, counts, shifted=False):
            return window_layout(grid, counts, False, device)
        return _make_layout(grid, windows, device)

    return _LAYOUTS.get((grid, counts, shifted, device), make)


def layout_change(grid: Size, counts: Size, before: bool, after: bool, device: torch.device) -> Tensor | None:
    """`moved_from` between the regular and the shifted (True) windows of a grid; kept."""

    def make() -> Tensor | None:
        return window_layout(grid, counts, after, device).moved_from(window_layout(grid, counts, before, device))

    return _CHANGES.get((grid, counts, before, after, device), make)


def _make_layout(grid: Size, windows: list[Window], device: torch.device) -> WindowLayout:
    raster = torch.arange(math.prod(grid)).view(grid)
    by_size: dict[Size, list[Tensor]] = defaultdict(list)
    for window in windows:
        tokens = raster[window]
        by_size[(tokens.shape[0], tokens.shape[1], tokens.shape[2])].append(tokens.flatten())
    sizes = sorted(by_size, key=math.prod)
    return WindowLayout(tuple(WindowGroup(size, torch.stack(by_size[size]).to(device)) for size in sizes), len(windows))


_LAYOUTS, _CHANGES = Memo(16), Memo(16)
