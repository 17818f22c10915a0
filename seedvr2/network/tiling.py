"""The VAE in tiles: memory that depends on the tile, not on the frame (spec: engine.md, section 3).

Tiles lie on the latent grid and are cross-faded where they overlap. The norms and the attention of the VAE see one
tile at a time, so a tiled result differs from a whole one; larger tiles differ less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from seedvr2.network.vae import OnSlice, VideoVAE


@dataclass(frozen=True, slots=True)
class Tiling:
    """Tile size and overlap (height, width) in pixels of the full-size frame."""

    size: tuple[int, int]
    overlap: tuple[int, int]

    def on_grid(self, factor: int) -> Tiling:
        """The same in latents of `factor` pixels: whole latents, and at least one latent of progress a tile."""
        size = tuple(max(n // factor, 1) for n in self.size)
        overlap = tuple(min(n // factor, s - 1) for n, s in zip(self.overlap, size, strict=True))
        return Tiling((size[0], size[1]), (overlap[0], overlap[1]))


# A span (start, stop) of one axis, in latents.
Span = tuple[int, int]


def encode_tiled(vae: VideoVAE, frames: Tensor, tiling: Tiling, on_slice: OnSlice | None = None) -> Tensor:
    """`VideoVAE.encode` in tiles; arguments and result as there, in float32."""
    factor = vae.config.spatial_factor
    grid = tiling.on_grid(factor)

    def encode(y: Span, x: Span) -> Tensor:
        tile = frames[:, :, y[0] * factor : y[1] * factor, x[0] * factor : x[1] * factor]
        return vae.encode(tile, on_slice).permute(3, 0, 1, 2)

    size = (frames.shape[2] // factor, frames.shape[3] // factor)
    return _blend(size, grid, grid.overlap, 1, encode).permute(1, 2, 3, 0)


def decode_tiled(vae: VideoVAE, latent: Tensor, tiling: Tiling, on_slice: OnSlice | None = None) -> Tensor:
    """`VideoVAE.decode` in tiles; arguments and result as there, in float32."""
    factor = vae.config.spatial_factor

    def decode(y: Span, x: Span) -> Tensor:
        return vae.decode(latent[:, y[0] : y[1], x[0] : x[1]], on_slice)

    size, grid = (latent.shape[1], latent.shape[2]), tiling.on_grid(factor)
    # The ramps are as long as the overlap in pixels, even where whole latents made the tiles overlap by less;
    # tiles that only touch have none, or their edges would have no weight at all.
    ramp = [pixels if latents else 0 for pixels, latents in zip(tiling.overlap, grid.overlap, strict=True)]
    return _blend(size, grid, (ramp[0], ramp[1]), factor, decode)


def tile_count(height: int, width: int, tiling: Tiling, factor: int) -> int:
    """Number of tiles of a frame of `height` x `width` pixels."""
    grid = tiling.on_grid(factor)
    extents = (height // factor, width // factor)
    return math.prod(
        len(list(_spans(n, size, overlap))) for n, size, overlap in zip(extents, grid.size, grid.overlap, strict=True)
    )


def _blend(
    extent: tuple[int, int],
    grid: Tiling,
    ramp: tuple[int, int],
    scale: int,
    run: Callable[[Span, Span], Tensor],
) -> Tensor:
    """Sum of the tiles (C, T, h, w), each weighted, over the sum of the weights."""
    total = weights = torch.empty(0)
    for y in _spans(extent[0], grid.size[0], grid.overlap[0]):
        for x in _spans(extent[1], grid.size[1], grid.overlap[1]):
            tile = run(y, x)
            if not total.numel():
                shape = (*tile.shape[:2], extent[0] * scale, extent[1] * scale)
                total = tile.new_zeros(shape, dtype=torch.float32)
                weights = total.new_zeros(shape[2:])
            fade = _fade(y, extent[0], ramp[0], scale)[:, None] * _fade(x, extent[1], ramp[1], scale)
            fade = fade.to(tile.device)
            area = (slice(y[0] * scale, y[1] * scale), slice(x[0] * scale, x[1] * scale))
            total[:, :, *area] += tile * fade
            weights[area] += fade
    return total.div_(weights)


def _spans(extent: int, size: int, overlap: int) -> Iterator[Span]:
    start, stop = 0, 0
    while stop < extent:
        stop = min(start + size, extent)
        yield start, stop
        start += size - overlap


def _fade(span: Span, extent: int, ramp: int, scale: int) -> Tensor:
    """Weights of a tile along one axis: a raised cosine on the edges that another tile shares."""
    length = (span[1] - span[0]) * scale
    weights = torch.ones(length)
    steps = min(ramp, length)
    rise = 0.5 - 0.5 * torch.cos(math.pi * torch.linspace(0, 1, steps))
    if span[0] > 0 and steps:
        weights[:steps] *= rise
    if span[1] < extent and steps:
        weights[-steps:] *= 1 - rise
    return weights
