"""What a job would take, worked out without running it.

The work is counted in operations (`arithmetic.py`) and divided by what this device does in a short measurement.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from seedvr2.media import MediaInfo
from seedvr2.network.reach import Reach
from seedvr2.network.tiling import tile_count
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.batching import count_batches
from seedvr2.pipeline.latent_windows import grid_for
from seedvr2.pipeline.sizes import sizes_of
from seedvr2.planning.arithmetic import count_operations, speed_of
from seedvr2.planning.disk import DiskNeed
from seedvr2.planning.machine import MachinePlanner
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
            Both None where they were not asked for.
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
    operations: int | None
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


def make_forecast(
    info: MediaInfo,
    options: UpscaleOptions,
    files: ModelFiles,
    planner: MachinePlanner,
    *,
    alone: bool = False,
    timed: bool = True,
) -> Forecast:
    """The forecast of a job; see `Forecast`.

    Args:
        alone: plan as if nothing else of this process were at work, and refuse what its main memory cannot hold, too.
        timed: count operations, and measure the device. Takes a second or two for a model that it sees first.

    Raises:
        NeverFitsError, OutOfMemoryError: a GPU cannot hold the job, or not now; with `alone`, or this machine.
    """
    request = planner.request(files, info, options)
    facts, work = request.facts, request.work
    if planner.layer is None:
        plan = planner.plan(request, info, alone=True) if alone else planner.first_plan_on_host(request, info)
        peak, weights = planner.need_on_host(plan, request, info), facts.weights
    else:
        plan = planner.plan(request, info, alone=alone)
        peak, weights = plan.need, plan.weights
    batch = min(plan.window, work.frames or plan.window)
    padded = work.padded(plan.window)
    width, height = work.size
    factor = facts.vae_config.spatial_factor
    windows = grid_for(options, batch, plan.overlap, Reach(facts.vae_config.temporal_factor, 0, 0))
    stitched = windows if work.stitched else None
    if stitched:
        # What a window adds goes through the VAE, all of it through the transformer.
        padded = stitched.step_frames + 1
    tiles = tile_count(height, width, plan.tiling, factor) if plan.tiling else 1
    operations = count_operations(facts, work.size, padded, plan.tiling, tiles) if timed else None
    batches = None
    if work.frames is not None:
        prepend = 0 if work.picture else options.prepend_frames
        batches = (
            stitched.windows(stitched.latents(work.frames))
            if stitched
            else count_batches(work.frames, max(batch, 1), plan.overlap, prepend)
        )
    seconds = None
    if batches is not None and operations is not None:
        seconds = batches * operations / (speed_of(planner.device, planner.dtype) * _EFFICIENCY)
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
        free_bytes=planner.free(alone=alone),
        operations=operations,
        seconds=seconds,
        blocks_to_swap=plan.blocks_to_swap,
        in_turn=plan.in_turn,
        reasons=plan.reasons,
    )
