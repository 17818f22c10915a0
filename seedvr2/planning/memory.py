"""How much memory a job needs, and how much there is; from these comes the choice to tile.

The VAE sets the peak: at full resolution it holds a slice of frames in its wide layers several times over. The
factors are measured (docs/performance.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from seedvr2.network.config import DiTConfig, VAEConfig
from seedvr2.network.tiling import Tiling
from seedvr2.options import UpscaleOptions
from seedvr2.planning import host_memory
from seedvr2.planning.card import CudaLayer

# Tile and overlap in pixels for each `vae_quality`; larger tiles are truer, since norms see more of the frame.
TILES = {"low": (512, 64), "medium": (768, 96), "high": (1024, 128)}

# How many times the widest full-resolution activation of a frame is alive at the peak of a decode, counted: for one
# frame, for each further one of a slice, and for what the convolutions remember where another slice follows.
_ONE_FRAME, _ANOTHER_FRAME, _REMEMBERED = 4.5, 3.0, 12.5
# What is made of the weights of 3-D convolutions for a processor, over what they take in half precision: for clips, and
# for single frames.
_FORMS, _FORMS_OF_ONE = 2.0, 0.65
# Live activations of the transformer, in vectors of `dim` per token: the residual, queries, keys, values and answers of
# windows, the text in each of them (which is as long as the smallest windows are); and what freed ones leave unused.
_DIT_VECTORS = 10
# The expanded weights of a block's MLP, in matrices, some of them twice for a moment; and what pieces of rows take.
_MLP_MATRICES = 5
_PIECES_BYTES = 64 << 20
# A job may use this share of what is free; the rest is for the system and for fragmentation.
_SAFE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes at the peak of a job: the weights, and the larger of decoding and restoring."""

    weights: int
    decode: int
    restore: int

    @property
    def total(self) -> int:
        """Bytes in all."""
        return self.weights + max(self.decode, self.restore)


def decode_bytes(vae: VAEConfig, width: int, height: int, frames: int, dtype: torch.dtype) -> int:
    """Peak of decoding a clip of `frames` frames of `width` x `height` pixels, beside the weights."""
    # The last upsampler hands on the second-widest layer at full resolution.
    activation = vae.widths[min(1, len(vae.widths) - 1)] * width * height * dtype.itemsize
    together, remembers = min(frames, sum(vae.slices)), vae.kernel > 1 and frames > sum(vae.slices)
    copies = _ONE_FRAME + _ANOTHER_FRAME * (together - 1) + _REMEMBERED * remembers
    result = frames * 3 * width * height * (dtype.itemsize + 4)
    return int(activation * copies) + result


def form_bytes(vae: VAEConfig, weights: int, frames: int, dtype: torch.dtype) -> int:
    """What is made in main memory of a VAE's weights, `weights` bytes in half precision, for clips of `frames`."""
    share = 1.0 if vae.kernel == 1 else _FORMS_OF_ONE if frames == 1 else _FORMS
    return int(weights * share * dtype.itemsize / 2)


def restore_bytes(dit: DiTConfig, tokens: int, dtype: torch.dtype) -> int:
    """Peak of the transformer over `tokens` tokens, beside the weights."""
    weights = _MLP_MATRICES * dit.dim * dit.mlp_dim
    return (tokens * dit.dim * _DIT_VECTORS + weights) * dtype.itemsize + _PIECES_BYTES


def available_bytes(device: torch.device) -> int:
    """Memory that a job on `device` could take now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return host_memory.available()


def capacity_bytes(device: torch.device) -> int:
    """Memory that a job on `device` could have with nothing else running: the same from job to job."""
    if device.type == "cuda":
        return CudaLayer(device).card().capacity
    return host_memory.capacity()


def choose_tiling(
    options: UpscaleOptions, vae: VAEConfig, size: tuple[int, int], frames: int, dtype: torch.dtype, free: int
) -> Tiling | None:
    """The tiles for a clip, or None to run it whole.

    Args:
        options: `vae_tiling` and `vae_quality` are asked.
        size: width and height in pixels, padded. frames: of one batch.
        free: bytes beside the weights.
    """
    wanted = list(TILES)[: list(TILES).index(options.vae_quality) + 1]
    if options.vae_tiling == "off":
        return None
    if options.vae_tiling == "auto" and decode_bytes(vae, *size, frames, dtype) <= free * _SAFE_SHARE:
        return None
    for quality in reversed(wanted):
        edge, overlap = TILES[quality]
        fits = decode_bytes(vae, edge, edge, frames, dtype) <= free * _SAFE_SHARE
        if fits or quality == wanted[0] or options.vae_tiling == "on":
            return Tiling((edge, edge), (overlap, overlap))
    return None
