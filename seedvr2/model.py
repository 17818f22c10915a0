"""A model in memory: both networks and the text embedding, ready to run on a device."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from seedvr2.allocator import grow_segments
from seedvr2.catalogue.conditioning import load_conditioning
from seedvr2.catalogue.places import ModelsDir
from seedvr2.checkpoint import PackedTensor, open_checkpoint
from seedvr2.errors import CheckpointError, OptionError
from seedvr2.heap import return_freed_blocks
from seedvr2.network.build import load_dit, load_vae
from seedvr2.network.config import is_dit, is_vae
from seedvr2.network.dit import DiT
from seedvr2.network.precision import vae_dtype
from seedvr2.network.vae import VideoVAE
from seedvr2.planning.probe import probe_cuda
from seedvr2.selection import ModelFiles

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Model:
    """Both networks and the text embedding (L, C) of one model."""

    name: str
    dit: DiT
    vae: VideoVAE
    text: Tensor
    device: torch.device
    dtype: torch.dtype

    @property
    def resident_bytes(self) -> int:
        """Bytes of the weights that are on the device."""
        modules = (module for network in (self.dit, self.vae) for module in network.modules())
        kept = (
            value
            for module in modules
            for value in (*module._parameters.values(), *module._buffers.values(), *vars(module).values())
            if isinstance(value, Tensor | PackedTensor)
        )
        return sum(value.nbytes for value in kept if value.device == self.device)

    @property
    def multiple(self) -> int:
        """Frames are padded to multiples of this many pixels: 16, or more where the model's patches need it."""
        patch = max(self.dit.config.patch[1:])
        return max(16, self.vae.config.spatial_factor * patch)


def load_model(
    files: ModelFiles,
    *,
    models_dir: ModelsDir,
    device: torch.device,
    dtype: torch.dtype,
    blocks_to_swap: int = 0,
) -> Model:
    """Load a transformer and its VAE.

    Args:
        files: the model's name and weight files.
        models_dir: where the text embedding is, unless the transformer's file carries one.
        device, dtype: where and in what the networks compute.
        blocks_to_swap: transformer blocks whose weights stay in main memory.

    Raises:
        CheckpointError: a file is missing, damaged or of another model.
    """
    dit_file, vae_file = open_checkpoint(files.dit), open_checkpoint(files.vae)
    if not is_dit(dit_file.shapes):
        kind = "a VAE" if is_vae(dit_file.shapes) else "something else"
        raise CheckpointError(f"{files.dit.name} is {kind}, not a SeedVR2 transformer; choose another model.")
    if not is_vae(vae_file.shapes):
        raise CheckpointError(f"{files.vae.name} is not a SeedVR2 VAE; fetch ema_vae_fp16.safetensors again.")
    text = load_conditioning(dit_file, models_dir)
    vae = load_vae(vae_file, device=device, dtype=vae_dtype(dtype, device))
    return Model(
        name=files.name,
        dit=load_dit(dit_file, device=device, dtype=dtype, blocks_to_swap=blocks_to_swap),
        vae=vae,
        text=text.to(device, dtype),
        device=device,
        dtype=dtype,
    )


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first GPU where there is one.

    Raises:
        OptionError: there is no such device on this machine.
    """
    if name == "auto":
        return _prepared(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise OptionError("device", f"There is no device {name!r} here; use auto, cpu, or cuda:0.") from error
    return _prepared(device)


def _prepared(device: torch.device) -> torch.device:
    if device.type == "cuda":
        grow_segments(device)
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The computing type of that name.

    `auto` is bfloat16 where the device multiplies it fast. A GPU of compute capability below 8 does not: float16 there.
    Else, and where a GPU cannot really do what it should, float32.

    Raises:
        OptionError: there is no such type.
    """
    if name == "auto":
        if device.type == "cuda":
            return probe_cuda(device).dtype
        return torch.bfloat16 if device.type == "cpu" and _cpu_multiplies_bfloat16() else torch.float32
    if name not in DTYPES:
        raise OptionError("dtype", f"dtype takes auto, {', '.join(DTYPES)}, not {name!r}.")
    return DTYPES[name]


def _cpu_multiplies_bfloat16() -> bool:
    flags = Path("/proc/cpuinfo")
    if not flags.exists():
        return False
    words = set(flags.read_text(errors="replace").split("flags", 2)[-1].split("\n", 1)[0].split())
    return bool(words & {"amx_bf16", "avx512_bf16"})


def release_memory() -> None:
    """Give memory that dropped models held back to the system and the driver."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return_freed_blocks()
