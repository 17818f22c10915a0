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

from seedvr2.media import MediaInfo
from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.network.reach import Reach
from seedvr2.network.tiling import Tiling, tile_count
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.batching import count_batches
from seedvr2.pipeline.latent_windows import grid_for
from seedvr2.pipeline.sampler import model_input
from seedvr2.pipeline.sizes import sizes_of
from seedvr2.planning.disk import DiskNeed
from seedvr2.planning.machine import MachinePlanner
from seedvr2.planning.memory import available_bytes
from seedvr2.planning.planner import Request
from seedvr2.selection import ModelFiles

# Real networks reach this share of the speed of one large matrix product; the VAE's convolutions are the slow part.
_EFFICIENCY = 0.35


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a job would take.

    Attributes:
        model: its name. source_size, output_size: width and height in pixels.
        frames: of the source, as its container says; None if it does not.
        batches: of `batch_frames` frames, or windows where they are stitched.
        tile: edge of the VAE's tiles in pixels, or None for whole frames. tiles: per frame.
        weights_bytes, peak_bytes: memory for the weights, and in all. free_bytes: what the device has now.
        operations: multiplications and additions per batch or window. seconds: an estimate; None without a frame count.
        blocks_to_swap: of the transformer, in main memory. in_turn: the VAE too while the transformer works.
        reasons: sentences that say why.
        disk: what it needs of the disk; None without a frame count.
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
    blocks_to_swap: int = 0
    in_turn: bool = False
    reasons: tuple[str, ...] = ()
    disk: DiskNeed | None = None

    @property
    def fits(self) -> bool:
        """Whether the peak is within what is free."""
        return self.peak_bytes <= self.free_bytes

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "fits": self.fits}


def make_forecast(info: MediaInfo, options: UpscaleOptions, files: ModelFiles, planner: MachinePlanner) -> Forecast:
    """The forecast of a job; see `Forecast`.

    Raises:
        NeverFitsError, OutOfMemoryError: a GPU cannot hold the job, or not now.
    """
    request = planner.request(files, info, options)
    facts, work = request.facts, request.work
    if planner.layer is None:
        plan = planner.first_plan_on_host(request, info)
        peak, weights = planner.need_on_host(plan, request, info), facts.weights
        free = available_bytes(planner.device)
    else:
        plan = planner.plan(request, info)
        peak, weights = plan.need, plan.weights
        free = planner.layer.card(planner.weights).usable
    batch = min(plan.window, work.frames or plan.window)
    padded = work.padded(plan.window)
    width, height = work.size
    factor = facts.vae_config.spatial_factor
    grid = ((padded - 1) // facts.vae_config.temporal_factor + 1, height // factor, width // factor)
    windows = grid_for(options, batch, plan.overlap, Reach(facts.vae_config.temporal_factor, 0, 0))
    stitched = windows if work.stitched else None
    if stitched:
        # What a window adds goes through the VAE, all of it through the transformer.
        padded = stitched.step_frames + 1
    tiles = tile_count(height, width, plan.tiling, factor) if plan.tiling else 1
    operations = _count_operations(request, grid, padded, plan.tiling, tiles)
    batches = None
    if work.frames is not None:
        prepend = 0 if work.picture else options.prepend_frames
        batches = (
            stitched.windows(stitched.latents(work.frames))
            if stitched
            else count_batches(work.frames, max(batch, 1), plan.overlap, prepend)
        )
    seconds = None if batches is None else batches * operations / (_speed(planner.device, planner.dtype) * _EFFICIENCY)
    return Forecast(
        model=files.name,
        source_size=work.source,
        output_size=sizes_of(work.source, options, facts.multiple).output,
        frames=work.frames,
        batches=batches,
        batch_frames=batch,
        tile=plan.tile,
        tiles=tiles,
        weights_bytes=weights,
        peak_bytes=peak,
        free_bytes=free,
        operations=operations,
        seconds=seconds,
        blocks_to_swap=plan.blocks_to_swap,
        in_turn=plan.in_turn,
        reasons=plan.reasons,
    )


@torch.no_grad()
def _count_operations(
    request: Request, grid: tuple[int, int, int], frames: int, tiling: Tiling | None, tiles: int
) -> int:
    """Operations of one batch: encode, restore, decode."""
    dit, vae = meta_dit(request.facts.dit), meta_vae(request.facts.vae_config)
    width, height = request.work.size
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
