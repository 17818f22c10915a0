"""Models of random weights, made where they run: the real size at the stored precision, never through main memory.

The engine's own loader takes them, as a weight file without a file behind it.
"""

from __future__ import annotations

import zlib
from functools import partial
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.gpu.bench import Bench
from seedvr2.checkpoint import Checkpoint, PackedTensor
from seedvr2.checkpoint.checkpoint import Entry
from seedvr2.checkpoint.ggml import BLOCKS
from seedvr2.checkpoint.recipe import storage_for, stored_bytes
from seedvr2.model import Model
from seedvr2.network.build import load_dit, load_vae, meta_dit, meta_vae
from seedvr2.network.config import DiTConfig, VAEConfig
from seedvr2.network.dit import DiT
from seedvr2.network.vae import VideoVAE

TEXT_LENGTH = 58
# Why a model is left out on a small card.
TOO_LARGE = "the card cannot hold the weights"
# The spread of a block of random bits whose scale is one: Q4_K is scale·(s·q − 7.5·m) with s, m in 0…63 and q in
# 0…15, its minimum's scale chosen for a mean of zero; Q8_0 is scale·q with q in −128…127.
_SPREAD = {"Q4_K": 255.0, "Q8_0": 74.0}
_Q4_K_MINIMUM = 7.5


def random_model(bench: Bench, params: str, precision: str, *, blocks_to_swap: int = 0) -> Model:
    """Both networks and a text embedding on the device.

    Args:
        params: `3B` or `7B`. precision: of the transformer, as `python -m seedvr2 convert` takes it.
        blocks_to_swap: transformer blocks whose weights stay in main memory.
    """
    dtype = bench.dtype
    config = bench.scale.dits[params]
    text = torch.randn(
        TEXT_LENGTH, config.text_channels, generator=_generator("text", bench.device), device=bench.device
    )
    return Model(
        name=f"{params} {precision}",
        dit=random_dit(config, precision, bench.device, dtype, blocks_to_swap=blocks_to_swap),
        vae=random_vae(bench.scale.vae, bench.device, bench.vae_dtype),
        text=text.to(dtype),
        device=bench.device,
        dtype=dtype,
    )


def model_bytes(bench: Bench, params: str, precision: str) -> int:
    """Bytes of the weights of `random_model`."""
    networks = ((meta_dit(bench.scale.dits[params]), precision), (meta_vae(bench.scale.vae), "fp16"))
    return sum(
        stored_bytes(storage_for(name, tuple(tensor.shape), stored), tuple(tensor.shape))
        for network, stored in networks
        for name, tensor in network.state_dict().items()
    )


def random_dit(
    config: DiTConfig,
    precision: str,
    device: torch.device,
    dtype: torch.dtype,
    *,
    blocks_to_swap: int = 0,
    made_on: torch.device | None = None,
) -> DiT:
    """A transformer at a stored precision; its weights are made on `device`, or where it says."""
    checkpoint = random_checkpoint(meta_dit(config), precision, made_on or device)
    return load_dit(checkpoint, device=device, dtype=dtype, blocks_to_swap=blocks_to_swap)


def random_vae(
    config: VAEConfig, device: torch.device, dtype: torch.dtype, *, made_on: torch.device | None = None
) -> VideoVAE:
    """A VAE whose weights are stored as the published one's are, and made as `random_dit` says."""
    checkpoint = random_checkpoint(meta_vae(config), "fp16", made_on or device)
    checkpoint.metadata["norm_num_groups"] = str(config.groups)
    return load_vae(checkpoint, device=device, dtype=dtype)


def random_checkpoint(network: nn.Module, precision: str, device: torch.device) -> Checkpoint:
    """A weight file without a file: each tensor is made on `device` when it is asked for, always the same."""
    entries = {}
    for name, tensor in network.state_dict().items():
        shape = tuple(tensor.shape)
        stored = storage_for(name, shape, precision)
        entries[name] = Entry(shape, stored, partial(_tensor, name, shape, stored, device))
    return Checkpoint(Path("random"), "random", {}, entries)


def _tensor(name: str, shape: tuple[int, ...], stored: str, device: torch.device) -> Tensor | PackedTensor:
    generator = _generator(name, device)
    if stored in BLOCKS:
        return PackedTensor(stored, shape, random_blocks(stored, shape, generator))
    values = torch.randn(shape, generator=generator, device=device)
    if len(shape) == 1:
        # Vectors that multiply are near one, or the signal would vanish from block to block.
        values.mul_(0.05).add_(1.0 if name.endswith(("weight", "_scale")) else 0.0)
    else:
        values.mul_(prod(shape[1:]) ** -0.5)
    dtype: torch.dtype = getattr(torch, stored)
    return values.to(dtype)


def random_blocks(kind: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Random bits, uint8 (blocks, bytes of a block), with scales that make finite numbers of the usual spread."""
    elements, block_bytes = BLOCKS[kind]
    count = prod(shape) // elements
    blocks = torch.randint(
        0, 256, (count, block_bytes), dtype=torch.uint8, generator=generator, device=generator.device
    )
    scale = shape[-1] ** -0.5 / _SPREAD[kind]
    scales = [scale, scale * _Q4_K_MINIMUM] if kind == "Q4_K" else [scale]
    head = torch.tensor(scales, dtype=torch.float16, device=generator.device).view(torch.uint8)
    blocks[:, : len(head)] = head
    return blocks


def _generator(name: str, device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(zlib.crc32(name.encode()))
