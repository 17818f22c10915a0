"""From a weight file to a network that is ready to run.

Loading is strict: a missing, extra or misshapen tensor is an error that names it. Large weights stay at their
stored precision when that is the smaller form, and are then expanded where they are used (`stored.py`).
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from seedvr2.checkpoint import Checkpoint, PackedTensor
from seedvr2.errors import CheckpointError
from seedvr2.heap import keep_freed_blocks
from seedvr2.network.causal import CausalConv3d
from seedvr2.network.config import DiTConfig, Shapes, VAEConfig, read_dit_config, read_vae_config
from seedvr2.network.dit import DiT
from seedvr2.network.stored import Stored, place
from seedvr2.network.swap import BlockSwap, swapped_blocks
from seedvr2.network.transfer import Transfer, transfer_for
from seedvr2.network.upsample import Upsample
from seedvr2.network.vae import VideoVAE
from seedvr2.network.vae_layers import ResnetBlock
from seedvr2.places import on_processor

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
    parked: bool = False,
    transfer: Transfer | None = None,
) -> DiT:
    """The transformer of a weight file.

    Args:
        checkpoint: an open weight file.
        device: where it runs. dtype: what it computes in.
        blocks_to_swap: so many blocks keep their weights in main memory and send them when used (`swap.py`).
        parked: all of it stays in main memory until `onload` (`parking.py`).
        transfer: how weights travel; None for the way of the device, which is none at all on a processor.

    Raises:
        CheckpointError: the file is another model, or its tensors do not fit.
    """
    device = _ready(device)
    dit = meta_dit(read_dit_config(checkpoint.shapes, checkpoint.metadata))
    dit.transfer = transfer or transfer_for(device)
    swapped = swapped_blocks(len(dit.blocks), blocks_to_swap) if dit.transfer else ()
    names = {name: shape for name, shape in checkpoint.shapes.items() if name not in CONDITIONING}
    check_tensors(dit, names, checkpoint.path.name)
    for name in names:
        block = re.match(r"blocks\.(\d+)\.", name)
        waits = dit.transfer is not None and (parked or (block is not None and int(block[1]) in swapped))
        place(dit, name, _settle(checkpoint.tensor(name), device, dtype, waits=waits))
    if dit.transfer and swapped:
        dit.swap = BlockSwap(dit.blocks, swapped, dit.transfer)
    if parked:
        dit.offload()
    return dit


def load_vae(
    checkpoint: Checkpoint,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    parked: bool = False,
    transfer: Transfer | None = None,
) -> VideoVAE:
    """The VAE of a weight file; arguments and errors as for `load_dit`.

    What it computes in need not be what the transformer does; see `precision.vae_dtype`.
    """
    device = _ready(device)
    vae = meta_vae(read_vae_config(checkpoint.shapes, checkpoint.metadata))
    vae.dtype, vae.transfer = dtype, transfer or transfer_for(device)
    check_tensors(vae, checkpoint.shapes, checkpoint.path.name)
    for name in checkpoint.shapes:
        place(vae, name, _settle(checkpoint.tensor(name), device, dtype, waits=parked and vae.transfer is not None))
    for name, module in vae.named_modules():
        if isinstance(module, ResnetBlock | Upsample):
            module.skip_idle_channels()
        elif isinstance(module, CausalConv3d) and "upsamplers" not in name:
            module.skip_idle_taps()
    if parked:
        vae.offload()
    return vae


def _ready(device: torch.device | str) -> torch.device:
    device = torch.device(device)
    if device.type == "cpu":
        keep_freed_blocks()
    return device


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


def _settle(stored: Stored, device: torch.device, dtype: torch.dtype, *, waits: bool) -> Stored:
    """The tensor as it will be kept; one that `waits` is a matrix that stays in main memory for now."""
    if isinstance(stored, PackedTensor):
        # Vectors are used often and weigh nothing; only matrices are worth unpacking at each use.
        if len(stored.shape) == 1:
            return stored.expand(torch.float32, device)
        return stored if waits else stored.to(device)
    if stored.ndim == 1:
        return stored.to(device, torch.float32)
    if on_processor(device):
        # Left in the mapped file: a converted copy would stand beside the file's own pages.
        return stored
    kept = dtype if dtype.itemsize <= stored.dtype.itemsize else stored.dtype
    # Cast on the device, which is faster, wherever it goes there.
    return channels_last(stored.to(kept) if waits else stored.to(device).to(kept))


def channels_last(stored: Tensor) -> Tensor:
    """The kernel of a 3-D convolution in the layout in which it is used, anything else as it is."""
    return stored.contiguous(memory_format=torch.channels_last_3d) if stored.ndim == 5 else stored
