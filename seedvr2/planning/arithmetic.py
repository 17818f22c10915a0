"""What the networks multiply and add for a batch of frames, and how much of that a device does in a second.

Operations are counted on networks without memory ("meta" tensors), which takes seconds for a large picture. They grow
with the pixels, so a small one is counted, once for each model.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.network.config import DiTConfig, VAEConfig
from seedvr2.network.tiling import Tiling
from seedvr2.pipeline.sampler import model_input
from seedvr2.planning.facts import ModelFacts

# What is counted: latents of a size at which the shares of the windows are as in larger ones, and a frame.
_LATENTS = (2, 44, 80)
_EDGE = 256
_TEXT_TOKENS = 58


@dataclass(frozen=True, slots=True)
class _Counted:
    """Operations of the transformer for an element of the latents, and of the VAE for a pixel, both ways: of the first
    frame, and of the frames of each further latent together."""

    restore: float
    first: float
    more: float


def count_operations(
    facts: ModelFacts, size: tuple[int, int], frames: int, tiling: Tiling | None = None, tiles: int = 1
) -> int:
    """Operations of one batch: encode, restore, decode.

    Args:
        size: width and height of what the networks see, in pixels. frames: of the batch, padded.
        tiling, tiles: those of the VAE, and how many of them a frame has.
    """
    vae, counted, (width, height) = facts.vae_config, _count(facts.dit, facts.vae_config), size
    factor, further = vae.spatial_factor, (frames - 1) / _step(vae)
    latents = (math.floor(further) + 1) * (width // factor) * (height // factor)
    if tiling:
        width, height = min(tiling.size[1], width), min(tiling.size[0], height)
    return int(counted.restore * latents + (counted.first + counted.more * further) * width * height * tiles)


@lru_cache(maxsize=4)
def speed_of(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a large matrix product on this device, measured for a moment, once."""
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


@lru_cache(maxsize=8)
@torch.no_grad()
def _count(dit: DiTConfig, vae: VAEConfig) -> _Counted:
    network = meta_dit(dit)
    with FlopCounterMode(display=False) as restoring:
        latent = torch.empty(*_LATENTS, dit.latent_channels, device="meta")
        network(model_input(latent, latent), torch.empty(_TEXT_TOKENS, dit.text_channels, device="meta"))
    first, two = _count_vae(vae, 1), _count_vae(vae, 1 + _step(vae))
    return _Counted(restoring.get_total_flops() / math.prod(_LATENTS), first, two - first)


def _count_vae(config: VAEConfig, frames: int) -> float:
    """Operations for each pixel of a clip's picture."""
    vae, latents, edge = meta_vae(config), (frames - 1) // _step(config) + 1, _EDGE // config.spatial_factor
    with FlopCounterMode(display=False) as coding:
        vae.encode(torch.empty(3, frames, _EDGE, _EDGE, device="meta"))
        vae.decode(torch.empty(latents, edge, edge, config.latent_channels, device="meta"))
    return float(coding.get_total_flops() / _EDGE**2)


def _step(config: VAEConfig) -> int:
    return max(config.temporal_factor, 1)
