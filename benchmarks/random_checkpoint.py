"""Weight files of the real size with random numbers: for what has to be measured at that size without a download.

    python -m benchmarks.random_checkpoint FOLDER [PRECISION…] [--params 7b]

The same seed gives the same weights at every precision, so results can be compared. Tensors are made and written
one at a time. The transformer's file carries a random text embedding, so nothing else than a VAE is needed.
"""

from __future__ import annotations

import argparse
import shutil
import zlib
from functools import partial
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

from seedvr2.checkpoint import gguf_writer, safetensors_writer
from seedvr2.checkpoint.atomic import written_whole
from seedvr2.checkpoint.recipe import PACKED, Recipe, storage_for, store
from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.network.config import DiTConfig
from seedvr2.planning.published import DIT_3B, DIT_7B, VAE

TEXT_SHAPE = (58, DIT_3B.text_channels)
VAE_NAME = "ema_vae_fp16.safetensors"
# Left free on the disk, in bytes.
_SPARE = 2 * 10**9
# Vectors that multiply: near one, or the signal would vanish from block to block.
_FACTORS = ("norm.weight", "norm1.weight", "norm2.weight", "norm_out.weight", "norm_q", "norm_k", "_scale")


def write_random_3b(path: Path, precision: str = "fp16", *, seed: int = 0) -> Path:
    """A transformer with the names and shapes of SeedVR2-3B.

    Args:
        path: ends in `.gguf` or `.safetensors`, which says the format.
        precision: as `python -m seedvr2 convert` takes it.

    Raises:
        OSError: the disk has no room for it.
    """
    return _write_dit(path, DIT_3B, precision, seed)


def write_random_7b(path: Path, precision: str = "fp16", *, seed: int = 0) -> Path:
    """A transformer with the names and shapes of SeedVR2-7B; arguments and errors as for `write_random_3b`."""
    return _write_dit(path, DIT_7B, precision, seed)


def dit_name(params: str, precision: str) -> str:
    """What the file of `params` (`3b` or `7b`) at a precision is called."""
    return f"random_{params}_{precision}.{'gguf' if precision in PACKED else 'safetensors'}"


def write_random_vae(path: Path, precision: str = "fp16", *, seed: int = 0) -> Path:
    """A VAE with the names and shapes of SeedVR2's."""
    return _write(path, _recipes(meta_vae(VAE), precision, seed))


def _write_dit(path: Path, config: DiTConfig, precision: str, seed: int) -> Path:
    tensors = _recipes(meta_dit(config), precision, seed)
    tensors.append(
        Recipe("positive_conditioning", TEXT_SHAPE, "bfloat16", partial(numbers, "text", TEXT_SHAPE, "bfloat16", seed))
    )
    return _write(path, tensors)


def _recipes(network: nn.Module, precision: str, seed: int) -> list[Recipe]:
    recipes = []
    for name, tensor in network.state_dict().items():
        shape = tuple(tensor.shape)
        stored = storage_for(name, shape, precision)
        recipes.append(Recipe(name, shape, stored, partial(numbers, name, shape, stored, seed)))
    return recipes


def numbers(name: str, shape: tuple[int, ...], stored: str, seed: int) -> Tensor:
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
    needed = sum(recipe.nbytes for recipe in recipes) + _SPARE
    if (free := shutil.disk_usage(path.parent).free) < needed:
        raise OSError(
            f"{path} would need {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; choose another folder."
        )
    write = gguf_writer.write if path.suffix == ".gguf" else safetensors_writer.write
    with written_whole(path, overwrite=True) as part:
        write(part, recipes, {}, lambda _: None)
    return path


def main() -> None:
    """Write the transformer at some precisions, and the VAE; what is there stays as it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("precisions", nargs="*", default=["fp16", "fp8_e4m3fn", "Q4_K_M"])
    parser.add_argument("--params", choices=("3b", "7b"), default="3b", help="size of the transformer (default 3b)")
    parser.add_argument("--vae-only", action="store_true", help="no transformer")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / VAE_NAME).exists():
        print(write_random_vae(folder / VAE_NAME))
    write = write_random_3b if arguments.params == "3b" else write_random_7b
    for precision in () if arguments.vae_only else arguments.precisions:
        path = folder / dit_name(arguments.params, precision)
        if not path.exists():
            print(write(path, precision))


if __name__ == "__main__":
    main()
