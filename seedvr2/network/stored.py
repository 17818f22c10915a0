"""Weights that stay at their stored precision and are expanded where they are used.

An fp8 or GGUF model must not become twice or four times its size in memory, so a layer holds what the file
holds and asks `expand` for a tensor of the activations' type when it multiplies.
"""

from __future__ import annotations

from torch import Tensor, nn

from seedvr2.checkpoint import PackedTensor
from seedvr2.kernels import widen
from seedvr2.network.casting import cast

Stored = Tensor | PackedTensor


def expand(stored: Stored, like: Tensor) -> Tensor:
    """The stored weight as a tensor of the type and on the device of `like`; free when it is that already."""
    if isinstance(stored, PackedTensor):
        return stored.expand(like.dtype, like.device)
    # Sent as it is stored and then cast: the other way round it would be cast by the processor, and be larger to send.
    placed = stored.to(like.device)
    return cast(placed, like.dtype) if placed.device.type == "cpu" else widen(placed, like.dtype)


def place(module: nn.Module, name: str, value: Stored) -> None:
    """Put `value` where parameter `name` (dotted) of `module` stands, whatever its type of storage."""
    *path, leaf = name.split(".")
    owner = module.get_submodule(".".join(path))
    if isinstance(value, PackedTensor):
        owner._parameters.pop(leaf, None)
        setattr(owner, leaf, value)
    elif leaf in owner._buffers:
        owner._buffers[leaf] = value
    else:
        owner._parameters[leaf] = nn.Parameter(value, requires_grad=False)
