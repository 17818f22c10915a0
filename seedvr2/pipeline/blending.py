"""How the frames that two batches share are mixed (spec: engine.md, section 4.6)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def crossfade_weights(count: int) -> Tensor:
    """Weight (count,) of the earlier batch over the frames that it shares with the later one.

    A raised cosine that is never quite 0 or 1, so that no shared frame is restored for nothing, and an overlap of
    one frame already blends.
    """
    steps = torch.arange(1, count + 1) / (count + 1)
    return torch.cos(math.pi / 2 * steps) ** 2


def reference_weights(count: int) -> Tensor:
    """The same as the public implementation has it: a cosine over the middle third; hard cuts for 1, 2 and 4."""
    position = torch.linspace(0.0, 1.0, count)
    middle = ((position - 1 / 3) * 3).clamp(0, 1)
    return 0.5 + 0.5 * torch.cos(math.pi * middle)
