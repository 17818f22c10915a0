"""What the planner knows of a model: its shape, and what its weights take on a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch

from seedvr2.checkpoint import open_checkpoint
from seedvr2.checkpoint.ggml import BLOCKS
from seedvr2.checkpoint.recipe import storage_for, stored_bytes
from seedvr2.network.build import CONDITIONING, meta_dit, meta_vae
from seedvr2.network.config import DiTConfig, VAEConfig, read_dit_config, read_vae_config

Tensors = Mapping[str, tuple[tuple[int, ...], str]]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model as the planner sees it. Sizes in bytes, as the weights are kept on a device: as they are stored.

    Attributes:
        blocks: of each block of the transformer. rest: of the transformer beside them. vae: of the VAE.
        largest: numbers of the largest matrix. stored: the precision of it.
    """

    name: str
    dit: DiTConfig
    vae_config: VAEConfig
    blocks: tuple[int, ...]
    rest: int
    vae: int
    largest: int
    stored: str

    @property
    def weights(self) -> int:
        """Bytes of all weights."""
        return sum(self.blocks) + self.rest + self.vae

    @property
    def multiple(self) -> int:
        """Both edges of a padded frame are multiples of this."""
        return max(16, self.vae_config.spatial_factor * max(self.dit.patch[1:]))


def facts_of_files(name: str, dit: Path, vae: Path, itemsize: int) -> ModelFacts:
    """The facts of a model on disk that computes in a type of `itemsize` bytes.

    Raises:
        CheckpointError: a file is missing, damaged or of another model.
    """
    files = open_checkpoint(dit), open_checkpoint(vae)
    dit_tensors, vae_tensors = (
        {key: (shape, file.precisions[key]) for key, shape in file.shapes.items() if key not in CONDITIONING}
        for file in files
    )
    dit_config = read_dit_config(files[0].shapes, files[0].metadata)
    vae_config = read_vae_config(files[1].shapes, files[1].metadata)
    return _facts(name, dit_config, vae_config, dit_tensors, vae_tensors, itemsize)


def facts_of_published(name: str, dit: DiTConfig, vae: VAEConfig, precision: str, itemsize: int = 2) -> ModelFacts:
    """The facts of a model as `convert` would write it in `precision`; nothing needs to be on the disk."""

    def tensors(network: Any, stored: str) -> dict[str, tuple[tuple[int, ...], str]]:
        shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
        return {key: (shape, storage_for(key, shape, stored)) for key, shape in shapes.items()}

    return _facts(name, dit, vae, tensors(meta_dit(dit), precision), tensors(meta_vae(vae), "fp16"), itemsize)


def _facts(
    name: str, dit: DiTConfig, vae: VAEConfig, dit_tensors: Tensors, vae_tensors: Tensors, itemsize: int
) -> ModelFacts:
    blocks, rest = [0] * len(dit.shared), 0
    largest, stored = 0, "float16"
    for key, (shape, kind) in dit_tensors.items():
        size = kept_bytes(shape, kind, itemsize)
        if key.startswith("blocks."):
            blocks[int(key.split(".")[1])] += size
            if len(shape) > 1 and prod(shape) > largest:
                largest, stored = prod(shape), kind
        else:
            rest += size
    vae_size = sum(kept_bytes(shape, kind, itemsize) for shape, kind in vae_tensors.values())
    return ModelFacts(name, dit, vae, tuple(blocks), rest, vae_size, largest, stored)


def kept_bytes(shape: tuple[int, ...], kind: str, itemsize: int) -> int:
    """What a tensor takes on a device: vectors in float32, others as stored, or in the computing type if smaller."""
    if len(shape) == 1:
        return shape[0] * 4
    if kind in BLOCKS:
        return stored_bytes(kind, shape)
    dtype: torch.dtype = getattr(torch, kind)
    return prod(shape) * min(dtype.itemsize, itemsize)
