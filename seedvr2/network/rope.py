"""Rotary position embedding: the two forms that SeedVR2 uses (spec: engine.md, sections 1.6 and 2).

`joint` (3B): text and video share one axis of time; language frequencies 10000^(-2k/d).
`pixel` (7B): video only; positions -1…1 over each window axis, frequencies linspace(1, 128)·π.
Frequencies are always recomputed in float32: the rounded ones in half-precision files cost visible seams.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

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


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate interleaved pairs (2i, 2i+1) of the last axis; what lies beyond the angles passes through.

    Args:
        x: (..., tokens, heads, head_dim).
        cosine, sine: (tokens, pairs) in float32, pairs <= head_dim / 2.
    """
    rotated = 2 * cosine.shape[-1]
    even, odd = x[..., 0:rotated:2].float(), x[..., 1:rotated:2].float()
    cosine, sine = cosine[:, None, :], sine[:, None, :]
    turned = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1)
    return torch.cat((turned.flatten(-2).to(x.dtype), x[..., rotated:]), dim=-1)


class RopeTable:
    """Cosines and sines per window size, made once and kept: windows of one size share their angles."""

    def __init__(self, kind: str, frequencies: Tensor) -> None:
        self.kind = kind
        self.frequencies = frequencies.float()
        self._video = lru_cache(maxsize=128)(self._make_video)
        self._text = lru_cache(maxsize=8)(self._make_text)

    def video(self, window: Size, text_length: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """(cosine, sine), each (t*h*w, pairs), for a window."""
        return self._video(window, text_length, device)

    def text(self, length: int, device: torch.device) -> tuple[Tensor, Tensor] | None:
        """(cosine, sine), each (length, pairs), or None where text is not rotated."""
        return self._text(length, device) if self.kind == "joint" else None

    def _make_video(self, window: Size, text_length: int, device: torch.device) -> tuple[Tensor, Tensor]:
        angles = video_angles(self.kind, window, text_length, self.frequencies).to(device)
        return angles.cos(), angles.sin()

    def _make_text(self, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
        angles = text_angles(length, self.frequencies).to(device)
        return angles.cos(), angles.sin()
