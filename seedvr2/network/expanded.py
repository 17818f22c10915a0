"""Weights of a processor's model in the form that is multiplied, for as long as there is room for them.

A file's fp16, fp8 or GGUF weights are expanded where they are used, at every forward anew. Where memory is plenty, the
first forward of a job leaves them expanded for the next ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from seedvr2.network.products import Product

if TYPE_CHECKING:
    from seedvr2.network.dit_layers import Linear


class Shelf:
    """Expanded weights up to a number of bytes; those that come first stay.

    Attributes:
        room: bytes that are left.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self._kept: dict[tuple[int, torch.dtype], Product] = {}

    def product(self, linear: Linear, dtype: torch.dtype, make: Callable[[], Product]) -> Product:
        """The product of a layer in a type: what is kept, or what `make` makes, kept if there is room."""
        key = (id(linear), dtype)
        if (found := self._kept.get(key)) is not None:
            return found
        product = make()
        if product.nbytes > self.room:
            return product
        product = self._kept[key] = product.packed()
        self.room -= product.nbytes
        return product
