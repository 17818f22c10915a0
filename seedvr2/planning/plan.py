"""What a job would take, worked out without running it.

The work is counted on networks without memory ("meta" tensors), operation by operation, and divided by what this
device multiplies in a short measurement.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from seedvr2.checkpoint import Checkpoint, open_checkpoint
from seedvr2.media import MediaInfo
from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.network.config import read_dit_config, read_vae_config
from seedvr2.network.tiling import Tiling, tile_count
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.batching import count_batches, pad_indices
from seedvr2.pipeline.sampler import model_input
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.planning.frame_memory import JobSize
from seedvr2.planning.memory import MemoryNeed, available_bytes, choose_tiling, decode_bytes, restore_bytes
from seedvr2.selection import ModelFiles

# Real networks reach this share of the speed of one large matrix product; the VAE's convolutions are the slow part.
_EFFICIENCY = 0.35


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job would take.

    Attributes:
        model: its name. source_size, output_size: width and height in pixels.
        frames: of the source, as its container says; None if it does not. batches: of `batch_frames` frames.
        tile: edge of the VAE's tiles in pixels, or None for whole frames. tiles: per frame.
        weights_bytes, peak_bytes: memory for the weights, and in all. free_bytes: what the device has now.
        operations: multiplications and additions per batch. seconds: an estimate; None without a frame count.
    """

    model: str
    source_size: tuple[int, int]
    output_size: tuple[int, int]
    frames: int | None
    batches: int | None
    batch_frames: int
    tile: int | None
    tiles: int
    weights_bytes: int
    peak_bytes: int
    free_bytes: int
    operations: int
    seconds: float | None

    @property
    def fits(self) -> bool:
        """Whether the peak is within what is free."""
        return self.peak_bytes <= self.free_bytes

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "fits": self.fits}


def make_plan(
    info: MediaInfo, options: UpscaleOptions, files: ModelFiles, device: torch.device, dtype: torch.dtype
) -> Plan:
    """The plan of a job; see `Plan`."""
    dit_file, vae_file = open_checkpoint(files.dit), open_checkpoint(files.vae)
    dit = read_dit_config(dit_file.shapes, dit_file.metadata)
    vae = read_vae_config(vae_file.shapes, vae_file.metadata)
    multiple = max(16, vae.spatial_factor * max(dit.patch[1:]))
    sizes = plan_sizes(info.width, info.height, options.resolution, options.longest_edge, multiple)
    picture = info.kind == "picture"
    frames = 1 if picture else info.frames
    batch = 1 if picture else min(options.batch_size, frames or options.batch_size)
    padded = len(pad_indices(batch, options.batch_size if options.uniform_batch_size and not picture else batch,
                             vae.temporal_factor))  # fmt: skip
    weights = _bytes(dit_file) + _bytes(vae_file)
    free = available_bytes(device)
    kept = JobSize(info, sizes, batch, None, dit, vae, dtype).frames() if device.type == "cpu" else 0
    tiling = choose_tiling(options, vae, sizes.padded, padded, dtype, free - weights - kept)
    width, height = sizes.padded
    tile = min(tiling.size[0], max(width, height)) if tiling else None
    latents = (padded - 1) // vae.temporal_factor + 1
    grid = (latents, height // vae.spatial_factor, width // vae.spatial_factor)
    tokens = math.prod(grid) // math.prod(dit.patch)
    need = MemoryNeed(
        weights,
        decode_bytes(vae, min(tile or width, width), min(tile or height, height), padded, dtype),
        restore_bytes(dit, tokens, dtype),
    )
    tiles = tile_count(height, width, tiling, vae.spatial_factor) if tiling else 1
    operations = _count_operations(dit_file, vae_file, grid, padded, sizes.padded, tiling, tiles)
    batches = None
    if frames is not None:
        prepend = 0 if picture else options.prepend_frames
        batches = count_batches(frames, max(batch, 1), 0 if picture else options.temporal_overlap, prepend)
    seconds = None if batches is None else batches * operations / (_speed(device, dtype) * _EFFICIENCY)
    return Plan(
        model=files.name,
        source_size=(info.width, info.height),
        output_size=sizes.output,
        frames=frames,
        batches=batches,
        batch_frames=batch,
        tile=tile,
        tiles=tiles,
        weights_bytes=weights,
        peak_bytes=need.total + kept,
        free_bytes=free,
        operations=operations,
        seconds=seconds,
    )


def _bytes(file: Checkpoint) -> int:
    return file.path.stat().st_size


@torch.no_grad()
def _count_operations(
    dit_file: Checkpoint,
    vae_file: Checkpoint,
    grid: tuple[int, int, int],
    frames: int,
    size: tuple[int, int],
    tiling: Tiling | None,
    tiles: int,
) -> int:
    """Operations of one batch: encode, restore, decode."""
    dit = meta_dit(read_dit_config(dit_file.shapes, dit_file.metadata))
    vae = meta_vae(read_vae_config(vae_file.shapes, vae_file.metadata))
    width, height = size
    if tiling:
        width, height = min(tiling.size[1], width), min(tiling.size[0], height)
    factor = vae.config.spatial_factor
    with FlopCounterMode(display=False) as restore:
        latent = torch.empty(*grid, dit.config.latent_channels, device="meta")
        dit(model_input(latent, latent), torch.empty(58, dit.config.text_channels, device="meta"))
    with FlopCounterMode(display=False) as code:
        vae.encode(torch.empty(3, frames, height, width, device="meta"))
        vae.decode(torch.empty(grid[0], height // factor, width // factor, vae.config.latent_channels, device="meta"))
    return int(restore.get_total_flops() + code.get_total_flops() * tiles)


def _speed(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a large matrix product on this device, measured for a moment."""
    edge = 4096 if device.type == "cuda" else 1024
    a = torch.randn(edge, edge, device=device).to(dtype)
    best = math.inf
    for _ in range(4):
        started = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - started)
    return float(2 * edge**3 / best)
