"""Weight files of the real size with random numbers: for what has to be measured at that size without a download.

    python -m benchmarks.random_checkpoint FOLDER [PRECISION…]

The same seed gives the same weights at every precision, so results can be compared. Tensors are made and written
one at a time. The transformer's file carries a random text embedding, so nothing else than a VAE is needed.
"""

from __future__ import annotations

import argparse
import zlib
from functools import partial
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

from seedvr2.checkpoint import gguf_writer, safetensors_writer
from seedvr2.checkpoint.atomic import written_whole
from seedvr2.checkpoint.recipe import PACKED, Recipe, storage_for, store
from seedvr2.network import rope
from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.network.config import DiTConfig, VAEConfig

DIT_3B = DiTConfig(
    dim=2560, heads=20, head_dim=128, text_channels=5120, latent_channels=16, patch=(1, 2, 2), mlp_dim=6912,
    shared=(False,) * 10 + (True,) * 22, gated_mlp=True, output_norm=True, last_text=False,
    rope="joint", rope_frequencies=rope.frequency_count("joint", 128),
)  # fmt: skip
VAE = VAEConfig(
    widths=(128, 256, 512, 512), resnets=2, latent_channels=16, kernel=3, down_kernels=(1, 3, 3), up_factors=(2, 2, 1)
)
TEXT_SHAPE = (58, DIT_3B.text_channels)
# Vectors that multiply: near one, or the signal would vanish from block to block.
_FACTORS = ("norm.weight", "norm1.weight", "norm2.weight", "norm_out.weight", "norm_q", "norm_k", "_scale")


def write_random_3b(path: Path, precision: str = "fp16", *, seed: int = 0) -> Path:
    """A transformer with the names and shapes of SeedVR2-3B.

    Args:
        path: ends in `.gguf` or `.safetensors`, which says the format.
        precision: as `python -m seedvr2 convert` takes it.
    """
    tensors = _recipes(meta_dit(DIT_3B), precision, seed)
    tensors.append(
        Recipe("positive_conditioning", TEXT_SHAPE, "bfloat16", partial(_numbers, "text", TEXT_SHAPE, "bfloat16", seed))
    )
    return _write(path, tensors)


def write_random_vae(path: Path, precision: str = "fp16", *, seed: int = 0) -> Path:
    """A VAE with the names and shapes of SeedVR2's."""
    return _write(path, _recipes(meta_vae(VAE), precision, seed))


def _recipes(network: nn.Module, precision: str, seed: int) -> list[Recipe]:
    recipes = []
    for name, tensor in network.state_dict().items():
        shape = tuple(tensor.shape)
        stored = storage_for(name, shape, precision)
        recipes.append(Recipe(name, shape, stored, partial(_numbers, name, shape, stored, seed)))
    return recipes


def _numbers(name: str, shape: tuple[int, ...], stored: str, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
    if len(shape) == 1:
        centre = 1.0 if any(part in name for part in _FACTORS) else 0.0
        values = torch.randn(shape, generator=generator).mul_(0.05).add_(centre)
    elif name == "text":
        values = torch.randn(shape, generator=generator)
    else:
        values = torch.randn(shape, generator=generator).mul_(prod(shape[1:]) ** -0.5)
    return store(values, stored)


def _write(path: Path, recipes: list[Recipe]) -> Path:
    write = gguf_writer.write if path.suffix == ".gguf" else safetensors_writer.write
    with written_whole(path, overwrite=True) as part:
        write(part, recipes, {}, lambda _: None)
    return path


def main() -> None:
    """Write the transformer at some precisions, and the VAE."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("precisions", nargs="*", default=["fp16", "fp8_e4m3fn", "Q4_K_M"])
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print(write_random_vae(arguments.folder / "ema_vae_fp16.safetensors"))
    for precision in arguments.precisions:
        suffix = "gguf" if precision in PACKED else "safetensors"
        print(write_random_3b(arguments.folder / f"random_3b_{precision}.{suffix}", precision))


if __name__ == "__main__":
    main()
