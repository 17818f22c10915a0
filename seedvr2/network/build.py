"""From a weight file to a network that is ready to run.

Loading is strict: a missing, extra or misshapen tensor is an error that names it. Large weights stay at their
stored precision when that is the smaller form, and are then expanded where they are used (`stored.py`).
"""

from __future__ import annotations

import re

import torch
from torch import nn

from seedvr2.checkpoint import Checkpoint, PackedTensor
from seedvr2.errors import CheckpointError
from seedvr2.network.config import DiTConfig, Shapes, VAEConfig, read_dit_config, read_vae_config
from seedvr2.network.dit import DiT
from seedvr2.network.stored import Stored, place
from seedvr2.network.vae import VideoVAE
from seedvr2.network.vae_layers import ResnetBlock, Upsample

# Tensors that some files carry beside the network's own.
CONDITIONING = frozenset({"positive_conditioning", "negative_conditioning"})


def meta_dit(config: DiTConfig) -> DiT:
    """The transformer with the right names and shapes and no memory behind them."""
    with torch.device("meta"):
        return DiT(config).eval()


def meta_vae(config: VAEConfig) -> VideoVAE:
    """The VAE with the right names and shapes and no memory behind them."""
    with torch.device("meta"):
        return VideoVAE(config).eval()


def load_dit(
    checkpoint: Checkpoint,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    blocks_to_swap: int = 0,
) -> DiT:
    """The transformer of a weight file.

    Args:
        checkpoint: an open weight file.
        device: where it runs. dtype: what it computes in.
        blocks_to_swap: so many of the first blocks keep their weights in main memory and send them when used.

    Raises:
        CheckpointError: the file is another model, or its tensors do not fit.
    """
    dit = meta_dit(read_dit_config(checkpoint.shapes, checkpoint.metadata))
    swapped = re.compile(r"blocks\.(\d+)\.")

    def home(name: str) -> torch.device:
        match = swapped.match(name)
        return torch.device("cpu" if match and int(match[1]) < blocks_to_swap else device)

    names = {name: shape for name, shape in checkpoint.shapes.items() if name not in CONDITIONING}
    check_tensors(dit, names, checkpoint.path.name)
    for name in names:
        place(dit, name, _settle(checkpoint.tensor(name), home(name), dtype))
    return dit


def load_vae(
    checkpoint: Checkpoint, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> VideoVAE:
    """The VAE of a weight file; arguments and errors as for `load_dit`."""
    vae = meta_vae(read_vae_config(checkpoint.shapes, checkpoint.metadata))
    check_tensors(vae, checkpoint.shapes, checkpoint.path.name)
    for name in checkpoint.shapes:
        place(vae, name, _settle(checkpoint.tensor(name), torch.device(device), dtype))
    for module in vae.modules():
        if isinstance(module, ResnetBlock | Upsample):
            module.skip_idle_channels()
    return vae


def check_tensors(network: nn.Module, shapes: Shapes, file: str) -> None:
    """Raise CheckpointError where the tensors of `file` are not exactly those of the network."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    faults = [f"{name} is missing" for name in wanted if name not in shapes]
    faults += [f"{name} is not part of the model" for name in shapes if name not in wanted]
    faults += [
        f"{name} has the shape {list(shapes[name])} instead of {list(shape)}"
        for name, shape in wanted.items()
        if name in shapes and tuple(shapes[name]) != shape
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise CheckpointError(f"{file} does not fit its own architecture: {'; '.join(faults[:3])}{more}.")


def _settle(stored: Stored, device: torch.device, dtype: torch.dtype) -> Stored:
    """The tensor as it will be kept."""
    if isinstance(stored, PackedTensor):
        # Vectors are used often and weigh nothing; only matrices are worth unpacking at each use.
        return stored.expand(torch.float32, device) if len(stored.shape) == 1 else stored.to(device)
    if stored.ndim == 1:
        return stored.to(device, torch.float32)
    if device.type == "cpu":
        # Left in the mapped file: a converted copy would stand beside the file's own pages.
        return stored
    return stored.to(device, dtype if dtype.itemsize <= stored.dtype.itemsize else stored.dtype)
