"""What follows from the timestep and the learned vectors alone, the same for all clips: computed once and kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seedvr2.checkpoint import PackedTensor
from seedvr2.network.block import BlockModulation
from seedvr2.network.config import TIMESTEP_CHANNELS
from seedvr2.network.dit_layers import Linear
from seedvr2.network.memo import Memo
from seedvr2.network.stored import expand

_FREQUENCIES = Memo(1)


def timestep_frequencies() -> Tensor:
    """The 128 frequencies exp(−ln(10000)·i/128) in float32, bit for bit those of the reference on any machine.

    At t = 1000 one unit in the last place of a frequency turns its angle by 1e-5 to 6e-5, so the rounding of a
    processor's own float32 `exp` would be the largest error of the whole network.
    """
    return _FREQUENCIES.get((), _frequencies)


def _frequencies() -> Tensor:
    half = TIMESTEP_CHANNELS // 2
    exponents = -math.log(10000.0) * torch.arange(half, dtype=torch.float32, device="cpu") / half
    frequencies = exponents.double().exp().float()
    # 0.473 of a unit above the lower neighbour: the one value that the reference's `exp` rounds the other way.
    frequencies[13] = torch.nextafter(frequencies[13], torch.tensor(1.0, device="cpu"))
    return frequencies


class TimestepEmbedding(nn.Module):
    """The timestep as modulation: sinusoids, then three linear layers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj_in = Linear(TIMESTEP_CHANNELS, dim)
        self.proj_hid = Linear(dim, dim)
        self.proj_out = Linear(dim, 6 * dim)

    def forward(self, timestep: float, device: torch.device) -> Tensor:
        """Embedding (6*dim,) in float32 of a timestep in 0…1000."""
        angles = timestep * timestep_frequencies().to(device)
        x = torch.cat((angles.sin(), angles.cos()))
        x = F.silu(self.proj_in(x))
        x = F.silu(self.proj_hid(x))
        return cast(Tensor, self.proj_out(x))


class OutputModulation(nn.Module):
    """The learned half of the last modulation (3B)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_shift = nn.Parameter(torch.empty(dim))
        self.out_scale = nn.Parameter(torch.empty(dim))

    def vectors(self, norm: Tensor, emb: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale (dim,) in float32, the norm's weight in the scale.

        With the *attention* slice of the embedding: the model was trained so (engine.md, 1.9).
        """
        shift = emb[:, 0, 0] + expand(self.out_shift, emb)
        scale = emb[:, 0, 1] + expand(self.out_scale, emb)
        return shift, scale * expand(norm, emb)


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What follows from the timestep alone: its embedding, what modulates the blocks, and what the output."""

    emb: Tensor
    blocks: tuple[BlockModulation, ...]
    output: tuple[Tensor, Tensor] | None


class KeptConditioning:
    """The last conditionings that were made, each until a weight behind it changes."""

    def __init__(self) -> None:
        self._kept = Memo(2)

    def get(
        self,
        key: tuple[float, torch.device, torch.dtype],
        parts: Iterable[nn.Module],
        make: Callable[[], Conditioning],
        *,
        travels: bool,
    ) -> Conditioning:
        """The conditioning of a timestep on a device for tokens of a type.

        Args:
            parts: the modules whose own weights are behind it.
            make: makes it.
            travels: matrices become other objects when they travel, with the same numbers: they are not looked at.
        """
        state = _state(parts, travels=travels)
        made_of, conditioning = self._kept.get(key, lambda: (state, make()))
        if not _same(made_of, state):
            self._kept.clear()
            _, conditioning = self._kept.get(key, lambda: (state, make()))
        return conditioning


_State = list[tuple[Tensor, int]]


def _state(parts: Iterable[nn.Module], *, travels: bool) -> _State:
    """The weights, and how often each was written to."""
    weights = [
        value.data if isinstance(value, PackedTensor) else value
        for part in parts
        for value in (*part._parameters.values(), *vars(part).values())
        if isinstance(value, Tensor | PackedTensor) and (not travels or len(value.shape) == 1)
    ]
    return [(weight, 0 if weight.is_inference() else weight._version) for weight in weights]


def _same(first: _State, second: _State) -> bool:
    return len(first) == len(second) and all(a is b and n == m for (a, n), (b, m) in zip(first, second, strict=True))
