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

from seedvr2.network.slices import Clip, OnSlice
from seedvr2.network.vae import VideoVAE


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
# A tile (C, T, h, w) of those spans of rows and columns, some frames after others.
Run = Callable[[Span, Span], Iterator[Tensor]]


def encode_tiled(vae: VideoVAE, frames: Tensor, tiling: Tiling, on_slice: OnSlice | None = None) -> Tensor:
    """`VideoVAE.encode` in tiles; arguments and result as there, in float32."""
    factor = vae.config.spatial_factor
    grid = tiling.on_grid(factor)

    def encode(y: Span, x: Span) -> Iterator[Tensor]:
        tile = frames[:, :, y[0] * factor : y[1] * factor, x[0] * factor : x[1] * factor]
        yield vae.encode(tile, on_slice).permute(3, 0, 1, 2)

    size = (frames.shape[2] // factor, frames.shape[3] // factor)
    count = (frames.shape[1] - 1) // vae.config.temporal_factor + 1
    return _blend(size, grid, grid.overlap, 1, count, encode).permute(1, 2, 3, 0)


def decode_tiled(vae: VideoVAE, latent: Tensor, tiling: Tiling, on_slice: OnSlice | None = None) -> Tensor:
    """`VideoVAE.decode` in tiles; arguments and result as there, in float32."""

    def decode(y: Span, x: Span) -> Iterator[Tensor]:
        yield vae.decode(latent[:, y[0] : y[1], x[0] : x[1]], on_slice)

    return _decoded(vae, (latent.shape[1], latent.shape[2]), len(latent), tiling, decode)


def encoding_tiled(
    vae: VideoVAE, frames: Clip, extent: Span, device: torch.device, tiling: Tiling, on_slice: OnSlice | None = None
) -> Tensor:
    """`VideoVAE.encoding` in tiles, each through the whole clip before the next one.

    Args:
        frames: (T, 3, H, W), made anew for each tile. extent: H and W.

    Returns:
        The latents (T', H / s, W / s, c) in float32 and in main memory, where a long clip has more room.
    """
    factor = vae.config.spatial_factor
    grid = tiling.on_grid(factor)

    def encode(y: Span, x: Span) -> Iterator[Tensor]:
        tile = _Tile(frames, (y[0] * factor, y[1] * factor), (x[0] * factor, x[1] * factor), 2)
        for latents in vae.encoding(tile, device, on_slice):
            yield latents.permute(3, 0, 1, 2)

    size = (extent[0] // factor, extent[1] // factor)
    count = (len(frames) - 1) // vae.config.temporal_factor + 1
    return _blend(size, grid, grid.overlap, 1, count, encode, torch.device("cpu")).permute(1, 2, 3, 0)


def decoding_tiled(
    vae: VideoVAE, latents: Clip, extent: Span, device: torch.device, tiling: Tiling, on_slice: OnSlice | None = None
) -> Tensor:
    """`VideoVAE.decoding` in tiles: all frames (3, T, H, W) in float32 and in main memory.

    Args:
        latents: (T', H', W', c). extent: H' and W'.
    """

    def decode(y: Span, x: Span) -> Iterator[Tensor]:
        for frames in vae.decoding(_Tile(latents, y, x, 1), device, on_slice):
            yield frames.transpose(0, 1)

    return _decoded(vae, extent, len(latents), tiling, decode, torch.device("cpu"))


@dataclass(frozen=True, slots=True)
class _Tile:
    """A part of each picture of a clip, the rows being axis `axis` and the columns the next."""

    clip: Clip
    y: Span
    x: Span
    axis: int

    def __len__(self) -> int:
        return len(self.clip)

    def __getitem__(self, part: slice, /) -> Tensor:
        rows = self.clip[part].narrow(self.axis, self.y[0], self.y[1] - self.y[0])
        return rows.narrow(self.axis + 1, self.x[0], self.x[1] - self.x[0])


def _decoded(
    vae: VideoVAE, size: Span, latents: int, tiling: Tiling, decode: Run, home: torch.device | None = None
) -> Tensor:
    factor = vae.config.spatial_factor
    grid = tiling.on_grid(factor)
    # The ramps are as long as the overlap in pixels, even where whole latents made the tiles overlap by less;
    # tiles that only touch have none, or their edges would have no weight at all.
    ramp = [pixels if latents else 0 for pixels, latents in zip(tiling.overlap, grid.overlap, strict=True)]
    count = (latents - 1) * vae.config.temporal_factor + 1
    return _blend(size, grid, (ramp[0], ramp[1]), factor, count, decode, home)


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
    count: int,
    run: Run,
    home: torch.device | None = None,
) -> Tensor:
    """Sum of the tiles, each weighted, over the sum of the weights: (C, `count`, H, W), at `home` or where they are."""
    total = weights = torch.empty(0)
    for y in _spans(extent[0], grid.size[0], grid.overlap[0]):
        for x in _spans(extent[1], grid.size[1], grid.overlap[1]):
            fade = _fade(y, extent[0], ramp[0], scale)[:, None] * _fade(x, extent[1], ramp[1], scale)
            area = (slice(y[0] * scale, y[1] * scale), slice(x[0] * scale, x[1] * scale))
            done = 0
            for piece in run(y, x):
                tile = piece if home is None else piece.to(home)
                if not total.numel():
                    shape = (len(tile), count, extent[0] * scale, extent[1] * scale)
                    total = tile.new_zeros(shape, dtype=torch.float32)
                    weights = total.new_zeros(shape[2:])
                fade = fade.to(tile.device)
                total[:, done : done + tile.shape[1], *area] += tile * fade
                done += tile.shape[1]
                del piece, tile
            assert done == count, (done, count)
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
