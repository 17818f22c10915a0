"""Frames for the tests of colour correction."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Uniform in −1…1."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def picture(frames: int = 2, height: int = 48, width: int = 64, seed: int = 0) -> Tensor:
    """Smooth coloured patches with some texture, (T, 3, H, W) within −1…1."""
    patches = F.interpolate(noise(frames, 3, 5, 6, seed=seed), (height, width), mode="bicubic")
    return (patches * 0.8 + noise(frames, 3, height, width, seed=seed + 1) * 0.1).clamp(-1, 1)
