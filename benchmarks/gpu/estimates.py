"""What the engine says that a job needs, and how it plans it: the only module of these checks that asks it.

Whatever changes in how the engine plans, this is where the checks follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from seedvr2.errors import OutOfMemoryError
from seedvr2.network.config import DiTConfig, VAEConfig
from seedvr2.network.tiling import Tiling
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.sizes import Size
from seedvr2.planning import needs, plan, planner
from seedvr2.planning.card import Card, CudaLayer
from seedvr2.planning.facts import facts_of_published
from seedvr2.planning.memory import TILES, available_bytes, choose_tiling

# What the engine asks for the free main memory.
HOST_AVAILABLE = "seedvr2.planning.host_memory.available"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job to be planned.

    Attributes:
        precision: of the transformer's weights. dtype: what is computed in.
        source, size: width and height of the source, and of the result in pixels, padded. frames: of the source.
        weights: bytes of both networks. loaded: bytes of them that are on the device already.
    """

    device: torch.device
    dit: DiTConfig
    vae: VAEConfig
    precision: str
    dtype: torch.dtype
    source: Size
    size: Size
    frames: int
    options: UpscaleOptions
    weights: int
    loaded: int

    def request(self) -> planner.Request:
        """The job as the planner takes it."""
        facts = facts_of_published("random weights", self.dit, self.vae, self.precision, self.dtype.itemsize)
        work = plan.Work(self.source, self.size, self.frames, self.frames == 1, False, False, self.vae.temporal_factor)
        return planner.Request(facts, work, self.options, self.dtype.itemsize)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a job is run: the VAE's tiles, or None; frames of a batch; transformer blocks in main memory.

    `planned` is the engine's own plan where it was made for a card; in main memory tiles are all that it chooses.
    """

    tiling: Tiling | None
    window: int
    blocks_to_swap: int
    in_turn: bool = False
    planned: plan.Plan | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two plans the same way of running a job: the engine's also says how much was free."""
        if self.planned is not None:
            return self.planned.settings
        return {"tiling": self.tiling, "window": self.window, "blocks_to_swap": self.blocks_to_swap}

    def __str__(self) -> str:
        if self.planned is not None:
            return self.planned.words()
        parts = [f"tiles of {self.tiling.size[0]}" if self.tiling else "whole frames", f"batches of {self.window}"]
        parts += [f"{self.blocks_to_swap} blocks swapped"] if self.blocks_to_swap else []
        return ", ".join(parts)


def vae_bytes(config: VAEConfig, size: Size, frames: int, dtype: torch.dtype, *, roomy: bool = False) -> dict[str, int]:
    """The estimated peak beside weights and inputs of each stage, by its name."""
    encode, decode = needs.vae_bytes(config, *size, frames, dtype.itemsize, roomy=roomy)
    return {"encode": encode, "decode": decode}


def transformer_bytes(config: DiTConfig, grid: tuple[int, int, int], dtype: torch.dtype) -> int:
    """The estimated peak of the transformer beside its weights, over latents of that grid (t, h, w)."""
    patches = (grid[0] // config.patch[0], grid[1] // config.patch[1], grid[2] // config.patch[2])
    return needs.dit_bytes(config, patches, dtype.itemsize)


def first_plan(wanted: Wanted) -> Plan:
    """How the engine would run the job on the device as it is now.

    Raises:
        OutOfMemoryError: it would not.
    """
    if wanted.device.type == "cuda":
        return plan_for(CudaLayer(wanted.device).card(wanted.loaded), wanted)
    options = wanted.options
    window = min(options.batch_size, wanted.frames)
    free = available_bytes(wanted.device) - (wanted.weights - wanted.loaded)
    tiling = choose_tiling(options, wanted.vae, wanted.size, window, wanted.dtype, free)
    # Tiles larger than the frame are the whole frame.
    if tiling and wanted.size[0] <= tiling.size[1] and wanted.size[1] <= tiling.size[0]:
        tiling = None
    return Plan(tiling, window, options.blocks_to_swap)


def plan_for(card: Card, wanted: Wanted) -> Plan:
    """How the engine would run the job on that card. Raises OutOfMemoryError if it would not."""
    return _as_run(planner.choose(card, wanted.request()))


def smaller_plan(failed: Plan, wanted: Wanted) -> Plan:
    """The plan to try after one that ran out of memory: it takes less.

    Raises:
        OutOfMemoryError: there is none.
    """
    if failed.planned is not None:
        smaller = planner.next_smaller(failed.planned, wanted.request())
        if smaller is not None:
            return _as_run(smaller)
    else:
        largest = min(failed.tiling.size[0] if failed.tiling else max(wanted.size), max(wanted.size))
        for edge, overlap in sorted(TILES.values(), reverse=True):
            if edge < largest:
                return replace(failed, tiling=Tiling((edge, edge), (overlap, overlap)))
    raise OutOfMemoryError("Not even the smallest tiles fit; use a smaller resolution or batch_size.")


def _as_run(planned: plan.Plan) -> Plan:
    return Plan(planned.tiling, planned.window, planned.blocks_to_swap, planned.in_turn, planned)
