"""What the engine says that a job needs, and how it plans it: the only module of these checks that asks it.

Whatever changes in how the engine plans, this is where the checks follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from seedvr2.errors import OutOfMemoryError
from seedvr2.memory import TILES, available_bytes, choose_tiling, decode_bytes, restore_bytes
from seedvr2.network.config import DiTConfig, VAEConfig
from seedvr2.network.tiling import Tiling
from seedvr2.options import UpscaleOptions

# What the engine asks for the free main memory.
HOST_AVAILABLE = "seedvr2.host_memory.available"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job to be planned.

    Attributes:
        precision: of the transformer's weights. dtype: what is computed in.
        size: width and height of the result in pixels, padded. frames: of the source.
        weights: bytes of both networks. loaded: bytes of them that are on the device already.
    """

    device: torch.device
    dit: DiTConfig
    vae: VAEConfig
    precision: str
    dtype: torch.dtype
    size: tuple[int, int]
    frames: int
    options: UpscaleOptions
    weights: int
    loaded: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How a job is run: the VAE's tiles, or None; frames of a batch; transformer blocks in main memory."""

    tiling: Tiling | None
    window: int
    blocks_to_swap: int

    def __str__(self) -> str:
        parts = [f"tiles of {self.tiling.size[0]}" if self.tiling else "whole frames", f"batches of {self.window}"]
        return ", ".join([*parts, f"{self.blocks_to_swap} blocks swapped"] if self.blocks_to_swap else parts)


def vae_bytes(config: VAEConfig, size: tuple[int, int], frames: int, dtype: torch.dtype) -> dict[str, int]:
    """The estimated peak beside weights and inputs of each stage that the engine has an estimate for, by its name."""
    return {"decode": decode_bytes(config, *size, frames, dtype)}


def transformer_bytes(config: DiTConfig, tokens: int, dtype: torch.dtype) -> int:
    """The estimated peak of the transformer beside its weights."""
    return restore_bytes(config, tokens, dtype)


def first_plan(wanted: Wanted) -> Plan:
    """How the engine would run the job on the device as it is now."""
    options = wanted.options
    window = min(options.batch_size, wanted.frames)
    free = available_bytes(wanted.device) - (wanted.weights - wanted.loaded)
    tiling = choose_tiling(options, wanted.vae, wanted.size, window, wanted.dtype, free)
    # Tiles larger than the frame are the whole frame.
    if tiling and wanted.size[0] <= tiling.size[1] and wanted.size[1] <= tiling.size[0]:
        tiling = None
    return Plan(tiling, window, options.blocks_to_swap)


def smaller_plan(failed: Plan, wanted: Wanted) -> Plan:
    """The plan to try after one that ran out of memory: it takes less.

    Raises:
        OutOfMemoryError: there is none.
    """
    largest = min(failed.tiling.size[0] if failed.tiling else max(wanted.size), max(wanted.size))
    for edge, overlap in sorted(TILES.values(), reverse=True):
        if edge < largest:
            return replace(failed, tiling=Tiling((edge, edge), (overlap, overlap)))
    raise OutOfMemoryError("Not even the smallest tiles fit; use a smaller resolution or batch_size.")
