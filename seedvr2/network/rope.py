"""Rotary position embedding: the two forms that SeedVR2 uses (spec: engine.md, sections 1.6 and 2).

`joint` (3B): text and video share one axis of time; language frequencies 10000^(-2k/d).
`pixel` (7B): video only; positions -1…1 over each window axis, frequencies linspace(1, 128)·π.
Frequencies are always recomputed in float32: the rounded ones in half-precision files cost visible seams.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seedvr2.network.memo import Memo

Size = tuple[int, int, int]

KINDS = ("joint", "pixel")


def frequency_count(kind: str, head_dim: int) -> int:
    """Number of base frequencies per axis: 21 (joint) or 10 (pixel) for heads of 128."""
    rotary = head_dim if kind == "joint" else head_dim // 2
    return rotary // 3 // 2


def base_frequencies(kind: str, count: int) -> Tensor:
    """The base frequencies (count,) in float32 in main memory, in radians per position."""
    # The device is named because networks are built where the default device has no memory ("meta").
    if kind == "joint":
        exponent = torch.arange(0, 2 * count, 2, dtype=torch.float32, device="cpu") / (2 * count)
        return 1.0 / 10000.0**exponent
    return torch.linspace(1.0, 128.0, count, dtype=torch.float32, device="cpu") * math.pi


def video_angles(kind: str, window: Size, text_length: int, frequencies: Tensor) -> Tensor:
    """Angles (t*h*w, 3*count) of the tokens of one window, raster order; axes t, h, w one after another.

    `joint` counts from 0 in each window, its time axis from `text_length`, where the text ends.
    """
    axes = []
    for axis, extent in enumerate(window):
        if kind == "joint":
            position = torch.arange(extent, dtype=torch.float32)
            if axis == 0:
                position = position + text_length
        else:
            position = torch.linspace(-1.0, 1.0, extent)
        angles = position.to(frequencies.device)[:, None] * frequencies
        shape = [1, 1, 1, len(frequencies)]
        shape[axis] = extent
        axes.append(angles.view(shape).expand(*window, -1))
    return torch.cat(axes, dim=-1).flatten(0, 2)


def text_angles(length: int, frequencies: Tensor) -> Tensor:
    """Angles (length, 3*count) of text tokens, which have the same position on all three axes (`joint` only)."""
    position = torch.arange(length, dtype=torch.float32, device=frequencies.device)
    return (position[:, None] * frequencies).repeat(1, 3)


def turns_of(angles: Tensor, head_dim: int) -> Tensor:
    """Angles (tokens, pairs) as complex64 (tokens, head_dim / 2) to multiply pairs by; one beyond the angles."""
    angles = F.pad(angles, (0, head_dim // 2 - angles.shape[-1]))
    return torch.complex(angles.cos(), angles.sin())


class RopeTable:
    """Rotations per window size, made once and kept: windows of one size share theirs."""

    def __init__(self, kind: str, frequencies: Tensor, head_dim: int) -> None:
        self.kind = kind
        self.frequencies = frequencies.float()
        self.head_dim = head_dim
        self._kept = Memo(128)

    def video(self, window: Size, text_length: int, device: torch.device) -> Tensor:
        """The turns (t*h*w, head_dim / 2), as `turns_of` gives them, of the tokens of a window in raster order."""
        return self._kept.get(
            (window, text_length, device),
            lambda: self._turns(video_angles(self.kind, window, text_length, self.frequencies), device),
        )

    def text(self, length: int, device: torch.device) -> Tensor | None:
        """The turns (length, head_dim / 2) of the text, or None where it is not rotated."""
        if self.kind != "joint":
            return None
        return self._kept.get((length, device), lambda: self._turns(text_angles(length, self.frequencies), device))

    def _turns(self, angles: Tensor, device: torch.device) -> Tensor:
        return turns_of(angles.to(device), self.head_dim)
