"""The parts of a transformer block: linear layers, norms, modulation, the two kinds of MLP.

Text and video tokens run through the same kinds of layers, with separate weights (`vid`, `txt`) in some blocks
and shared ones (`all`) in others; `Streams` hides which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.network.stored import expand

NORM_EPS = 1e-5


class Linear(nn.Module):
    """A linear layer whose weight stays as it is stored."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias: nn.Parameter | None = nn.Parameter(torch.empty(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        bias = None if self.bias is None else expand(self.bias, x)
        return F.linear(x, expand(self.weight, x), bias)


class Scale(nn.Module):
    """The weight of an RMS norm."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))

    def forward(self, x: Tensor) -> Tensor:
        """RMS-normalise the last axis and multiply by the weight."""
        return rms_norm(x, self.weight)


def rms_norm(x: Tensor, weight: Tensor | None = None) -> Tensor:
    """x / sqrt(mean(x²) + 1e-5) over the last axis, times `weight`; statistics in float32."""
    return F.rms_norm(x, x.shape[-1:], None if weight is None else expand(weight, x), NORM_EPS)


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


class Modulation(nn.Module):
    """The learned half of a block's modulation; the other half is the timestep's embedding."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        for layer in ("attn", "mlp"):
            for part in ("shift", "scale", "gate"):
                self.register_parameter(f"{layer}_{part}", nn.Parameter(torch.empty(dim)))

    def shift_scale(self, x: Tensor, layer: str, emb: Tensor) -> Tensor:
        """x * scale + shift, without `1 +`: the learned scale carries it.

        Args:
            x: (tokens, dim).
            layer: `attn` or `mlp`.
            emb: the timestep's embedding (dim, 2, 3) in float32, as (channel, layer, shift|scale|gate).
        """
        shift, scale, _ = self._vectors(layer, emb)
        return torch.addcmul(shift.to(x.dtype), x, scale.to(x.dtype))

    def gate(self, x: Tensor, layer: str, emb: Tensor) -> Tensor:
        """x * gate; arguments as for `shift_scale`."""
        return x * self._vectors(layer, emb)[2].to(x.dtype)

    def _vectors(self, layer: str, emb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        given = emb[:, ("attn", "mlp").index(layer)]
        shift, scale, gate = (
            given[:, i] + expand(self.get_parameter(f"{layer}_{part}"), given)
            for i, part in enumerate(("shift", "scale", "gate"))
        )
        return shift, scale, gate


class GatedMLP(nn.Module):
    """SwiGLU without biases (3B)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.proj_in_gate = Linear(dim, hidden, bias=False)
        self.proj_out = Linear(hidden, dim, bias=False)
        self.proj_in = Linear(dim, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(tokens, dim) to (tokens, dim)."""
        return cast(Tensor, self.proj_out(F.silu(self.proj_in_gate(x)) * self.proj_in(x)))


class PlainMLP(nn.Module):
    """Linear, tanh-GELU, Linear (7B)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.proj_in = Linear(dim, hidden)
        self.proj_out = Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(tokens, dim) to (tokens, dim)."""
        return cast(Tensor, self.proj_out(F.gelu(self.proj_in(x), approximate="tanh")))
