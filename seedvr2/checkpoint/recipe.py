"""What a converted file will hold: for every tensor its name, how it is stored, and how to make its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod

import torch
from torch import Tensor

from seedvr2.checkpoint.checkpoint import Checkpoint
from seedvr2.checkpoint.ggml import BLOCKS, ENCODERS, quantize
from seedvr2.checkpoint.packed import PackedTensor
from seedvr2.errors import CheckpointError, OptionError

FLOATS = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "fp8_e4m3fn": "float8_e4m3fn"}
# The published files are called by llama.cpp's names for a mixture, but hold one type throughout.
PACKED = {kind: kind for kind in sorted(ENCODERS)} | {f"Q{n}_K_M": f"Q{n}_K" for n in (3, 4, 5)}
PRECISIONS = (*FLOATS, *PACKED)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One tensor to be written.

    Attributes:
        stored: `"float16"`, `"float8_e4m3fn"`, … or a ggml type.
        make: its data: of `shape` and that type, or uint8 blocks for a ggml type.
    """

    name: str
    shape: tuple[int, ...]
    stored: str
    make: Callable[[], Tensor]

    @property
    def nbytes(self) -> int:
        """Bytes that the data will take in the file."""
        return stored_bytes(self.stored, self.shape)


def stored_bytes(stored: str, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor of `shape` in precision `stored`."""
    if stored in BLOCKS:
        elements, block_bytes = BLOCKS[stored]
        return prod(shape) // elements * block_bytes
    dtype: torch.dtype = getattr(torch, stored)
    return prod(shape) * dtype.itemsize


def storage_for(name: str, shape: tuple[int, ...], precision: str) -> str:
    """How a weight of the transformer is stored in a file of `precision`, one of `PRECISIONS`.

    The matrices of the blocks, 99 % of the file, take the small types; the rest, few and delicate, stays in
    float16. RoPE frequencies keep float32: rounded to eight bits, some become zero and seams show.
    """
    if name.endswith(".rope.freqs"):
        return "float32"
    stored = FLOATS.get(precision) or PACKED[precision]
    if stored in ("float32", "float16", "bfloat16"):
        return stored
    if not is_block_matrix(name, shape):
        return "float16"
    if stored not in BLOCKS:
        return stored
    fitting = (kind for kind in (stored, "Q8_0") if shape[-1] % BLOCKS[kind][0] == 0)
    return next(fitting, "float16")


def is_block_matrix(name: str, shape: tuple[int, ...]) -> bool:
    """Whether it is one of the large matrices of the transformer's blocks."""
    return name.startswith("blocks.") and len(shape) == 2


def recipes(checkpoint: Checkpoint, precision: str, device: str = "cpu") -> list[Recipe]:
    """The tensors of `checkpoint` at `precision`.

    Text embeddings that a file carries keep the precision they have.

    Args:
        device: where the arithmetic is done.

    Raises:
        OptionError: `precision` is unknown, or one that makes sense for a transformer only.
    """
    if precision not in PRECISIONS:
        raise OptionError("precision", f"precision takes one of {', '.join(PRECISIONS)}, not {precision!r}.")
    small = precision in PACKED or precision == "fp8_e4m3fn"
    if small and not any(is_block_matrix(name, shape) for name, shape in checkpoint.shapes.items()):
        raise OptionError(
            "precision",
            f"{checkpoint.path.name} has no transformer blocks that {precision} could make smaller; choose fp16.",
        )
    return [_recipe(checkpoint, name, shape, precision, device) for name, shape in checkpoint.shapes.items()]


def _recipe(checkpoint: Checkpoint, name: str, shape: tuple[int, ...], precision: str, device: str) -> Recipe:
    present = checkpoint.precisions[name]
    is_number = present in BLOCKS or present.startswith(("float", "bfloat"))
    kept = not is_number or name.endswith("_conditioning")
    stored = present if kept else storage_for(name, shape, precision)
    if stored == present:
        return Recipe(name, shape, stored, partial(_as_is, checkpoint, name))
    return Recipe(name, shape, stored, partial(_converted, checkpoint, name, stored, device))


def _as_is(checkpoint: Checkpoint, name: str) -> Tensor:
    value = checkpoint.tensor(name)
    return value.data if isinstance(value, PackedTensor) else value


def _converted(checkpoint: Checkpoint, name: str, stored: str, device: str) -> Tensor:
    value = checkpoint.tensor(name)
    numbers = value.expand(device=device) if isinstance(value, PackedTensor) else value.to(device, torch.float32)
    if not torch.isfinite(numbers).all():
        raise CheckpointError(f"{checkpoint.path} has infinite or undefined numbers in {name}; fetch it again.")
    return store(numbers, stored)


def store(numbers: Tensor, stored: str) -> Tensor:
    """`numbers` in precision `stored`, on the CPU; what exceeds the range takes its nearest end, never infinity."""
    if stored in BLOCKS:
        return quantize(numbers, stored).cpu()
    dtype: torch.dtype = getattr(torch, stored)
    largest = torch.finfo(dtype).max
    return numbers.clamp(-largest, largest).to(dtype).cpu()
