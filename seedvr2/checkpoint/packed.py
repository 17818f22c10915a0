"""A weight that stays in the blocks of its GGUF file and is expanded where it is used."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from seedvr2.checkpoint.ggml import BLOCKS, dequantize


class PackedTensor:
    """A quantised tensor: `data` holds its blocks, `expand` gives the numbers.

    Attributes:
        ggml_type: the type's ggml name, such as `"Q4_K"`.
        shape: logical shape; its product is the number of elements.
        data: uint8 (blocks, bytes of a block), on any device.
    """

    __slots__ = ("data", "ggml_type", "shape")

    def __init__(self, ggml_type: str, shape: tuple[int, ...], data: Tensor) -> None:
        elements, block_bytes = BLOCKS[ggml_type]
        self.ggml_type = ggml_type
        self.shape = torch.Size(shape)
        self.data = data.reshape(-1, block_bytes)
        if self.data.shape[0] * elements != prod(shape):
            raise ValueError(f"{tuple(shape)} in {ggml_type} does not take {self.data.shape[0]} blocks")

    @property
    def nbytes(self) -> int:
        """Bytes that the packed data take."""
        return self.data.nbytes

    @property
    def device(self) -> torch.device:
        """Where the packed data are."""
        return self.data.device

    def numel(self) -> int:
        """How many numbers it stands for."""
        return self.shape.numel()

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> PackedTensor:
        """The same tensor, still packed, on another device."""
        return PackedTensor(self.ggml_type, tuple(self.shape), self.data.to(device, non_blocking=non_blocking))

    def expand(self, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None) -> Tensor:
        """The numbers as a new tensor of `shape`: exact float32 dequantisation, then rounded to `dtype`.

        Args:
            dtype: a floating point type.
            device: where the result goes; the packed data travel there, not the expanded ones. None: where they are.
        """
        data = self.data if device is None else self.data.to(device)
        return dequantize(data, self.ggml_type, dtype).view(self.shape)

    def __repr__(self) -> str:
        return f"PackedTensor({self.ggml_type}, {tuple(self.shape)}, {self.device})"
