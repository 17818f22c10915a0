"""The parts of a transformer block: linear layers, norms, modulation, the two kinds of MLP.

Text and video tokens run through the same kinds of layers, with separate weights (`vid`, `txt`) in some blocks
and shared ones (`all`) in others; `Streams` hides which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.network.expanded import Shelf
from seedvr2.network.fused import swiglu
from seedvr2.network.products import Product
from seedvr2.network.stored import expand

Rows = Callable[[Tensor], Tensor]


class Layer(Protocol):
    """What a `Streams` holds where it multiplies."""

    def prepared(self, like: Tensor) -> Rows:
        """The layer with its weights expanded for rows of the type, the device and about the number of `like`."""


class Linear(nn.Module):
    """A linear layer whose weight stays as it is stored.

    Attributes:
        shelf: where its expanded weight may stay; None where it may not.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias: nn.Parameter | None = nn.Parameter(torch.empty(outputs)) if bias else None
        self.shelf: Shelf | None = None

    def prepared(self, like: Tensor) -> Product:
        """As in `Layer`."""
        if self.shelf is None:
            return self._expanded(like).for_rows(len(like))
        return self.shelf.product(self, like.dtype, lambda: self._expanded(like)).for_rows(len(like))

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        return self._expanded(x)(x)

    def _expanded(self, like: Tensor) -> Product:
        return Product(expand(self.weight, like), None if self.bias is None else expand(self.bias, like))


class Scale(nn.Module):
    """The weight of an RMS norm."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))


class Streams(nn.Module):
    """One layer for text and video: shared, separate, or for video only."""

    def __init__(self, make: Callable[[], nn.Module], *, shared: bool, text: bool = True) -> None:
        super().__init__()
        for name in ("all",) if shared else ("vid", "txt") if text else ("vid",):
            self.add_module(name, make())
        self._shared = shared

    @property
    def video(self) -> nn.Module:
        """The layer that video tokens run through."""
        return cast(nn.Module, self._modules["all" if self._shared else "vid"])

    @property
    def text(self) -> nn.Module:
        """The layer that text tokens run through."""
        return cast(nn.Module, self._modules["all" if self._shared else "txt"])

    def prepared(self, video: Tensor, text: Tensor) -> tuple[Callable[[], Rows], Callable[[], Rows]]:
        """What prepares the video's `Layer` and the text's; one that they share is prepared once, now."""
        if not self._shared:
            video_layer, text_layer = cast(Layer, self.video), self._modules.get("txt")
            return lambda: video_layer.prepared(video), lambda: cast(Layer, text_layer).prepared(text)
        rows = cast(Layer, self.video).prepared(video)
        return lambda: rows, lambda: rows


@dataclass(frozen=True, slots=True)
class Vectors:
    """What modulates one half of a block, timestep included: shift and scale (dim,) in float32, and the gate (dim,)."""

    shift: Tensor
    scale: Tensor
    gate: Tensor


class Modulation(nn.Module):
    """The learned half of a block's modulation; the other half is the timestep's embedding."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        for layer in ("attn", "mlp"):
            for part in ("shift", "scale", "gate"):
                self.register_parameter(f"{layer}_{part}", nn.Parameter(torch.empty(dim)))

    def vectors(self, layer: str, emb: Tensor, dtype: torch.dtype) -> Vectors:
        """Both halves together. Scales carry no `1 +`: the learned ones have it.

        Args:
            layer: `attn` or `mlp`.
            emb: the timestep's embedding (dim, 2, 3) in float32, as (channel, layer, shift|scale|gate).
            dtype: of what the gate will multiply.
        """
        given = emb[:, ("attn", "mlp").index(layer)]
        shift, scale, gate = (
            given[:, i] + expand(self.get_parameter(f"{layer}_{part}"), given)
            for i, part in enumerate(("shift", "scale", "gate"))
        )
        return Vectors(shift, scale, gate.to(dtype))


class GatedMLP(nn.Module):
    """SwiGLU without biases (3B)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.proj_in_gate = Linear(dim, hidden, bias=False)
        self.proj_out = Linear(hidden, dim, bias=False)
        self.proj_in = Linear(dim, hidden, bias=False)

    def prepared(self, like: Tensor) -> Rows:
        """(tokens, dim) to (tokens, dim)."""
        gate, out, inner = (layer.prepared(like) for layer in (self.proj_in_gate, self.proj_out, self.proj_in))
        return lambda x: out(swiglu(gate(x), inner(x)))


class PlainMLP(nn.Module):
    """Linear, tanh-GELU, Linear (7B)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.proj_in = Linear(dim, hidden)
        self.proj_out = Linear(hidden, dim)

    def prepared(self, like: Tensor) -> Rows:
        """(tokens, dim) to (tokens, dim)."""
        inner, out = self.proj_in.prepared(like), self.proj_out.prepared(like)
        return lambda x: out(F.gelu(inner(x), approximate="tanh"))
