"""Endless random training examples: stills, and clips that move over photographs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from seedvr2.pipeline.preprocess import bicubic
from training.data import Photographs
from training.degrade import KERNELS, blur, degrade, from_pixels, shrink

# Rendered around what is trained on, so that edge treatment of blurs and resizes is not learned.
MARGIN = 16
CLIP_FRAMES = 5
# Some originals are soft by nature, out of focus or smooth: what is soft is not always to be sharpened, least of all
# where nothing else is wrong.
SOFT_SHARE = 0.03
SOFT_CLEAN_SHARE = 0.6
# More than `degrade` leaves clean by itself: all that is nearly so gains, and only there can a good resize be spoiled.
SHARP_CLEAN_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Setting:
    """How a step's examples look: (count, edge) of stills and of clips, and how often a step has clips."""

    stills: tuple[int, int]
    clips: tuple[int, int] = (3, 96)
    clip_share: float = 0.0


class Example(NamedTuple):
    """Clips as the pipeline would resize them and their originals (…, T, 3, edge, edge) in −1…1; faults (…, 5)."""

    resized: Tensor
    original: Tensor
    hints: Tensor


class Samples(IterableDataset[Example]):
    """Yields examples of several clips."""

    def __init__(self, folder: Path, setting: Setting, seed: int) -> None:
        self._folder, self._setting, self._seed = folder, setting, seed

    def __iter__(self) -> Iterator[Example]:
        if get_worker_info() is not None:
            torch.set_num_threads(1)
        photographs = Photographs(self._folder, held_out=False)
        rng = np.random.default_rng(self._seed)
        while True:
            moving = rng.random() < self._setting.clip_share
            count, edge = self._setting.clips if moving else self._setting.stills
            made = [make_example(rng, photographs, edge, CLIP_FRAMES if moving else 1) for _ in range(count)]
            yield Example(*(torch.stack(parts) for parts in zip(*made, strict=True)))


def make_example(rng: np.random.Generator, photographs: Photographs, edge: int, frames: int) -> Example:
    """One degraded clip and its original, each (frames, 3, edge, edge) in −1…1."""
    whole = edge + 2 * MARGIN
    clip = _moving(rng, photographs, whole, frames) if frames > 1 else _still(rng, photographs, whole)
    if rng.random() < 0.25:
        # Dark scenes are rare in these packages, and a network that has seen few of them spoils them.
        clip = clip * float(rng.uniform(0.2, 1.0))
    soft = rng.random() < SOFT_SHARE
    if soft:
        sigma = float(rng.uniform(1.2, 4.0))
        clip = blur(sigma, sigma, 0.0)(clip)
    small = round(whole / random_factor(rng))
    low, faults = degrade(rng, clip, (small, small), SOFT_CLEAN_SHARE if soft else SHARP_CLEAN_SHARE)
    resized = bicubic(low, (whole, whole)).clamp(0, 1)
    top, left = (int(n) for n in rng.integers(0, 2 * MARGIN + 1, 2))
    inner = (slice(None), slice(None), slice(top, top + edge), slice(left, left + edge))
    return Example(resized[inner] * 2 - 1, clip[inner] * 2 - 1, torch.tensor(faults.hints()))


def random_factor(rng: np.random.Generator) -> float:
    """By how much the source is smaller: often exactly 2, sometimes 3 or 4, not smaller at all, or anything between."""
    choices = (2.0, 4.0, 3.0, 1.0, float(rng.uniform(1.0, 1.5)), float(rng.uniform(1.5, 4.0)))
    return choices[rng.choice(len(choices), p=(0.43, 0.22, 0.08, 0.04, 0.05, 0.18))]


def _still(rng: np.random.Generator, photographs: Photographs, edge: int) -> Tensor:
    """(1, 3, edge, edge) in 0…1; often the livelier of two crops, since sky teaches little."""
    # Some are sharper than a photograph should be, as downscalers leave them.
    crisp = rng.random() < 0.15
    whole = 2 * edge if crisp else edge
    crops = [photographs.crop(rng, whole, whole) for _ in range(2)]
    if rng.random() < 0.4:
        crops.sort(key=lambda crop: -float(np.abs(np.diff(crop[::2].astype(np.int16), axis=1)).mean()))
    clip = from_pixels(crops[0][None])
    return shrink(clip, (edge, edge), str(rng.choice(KERNELS))).clamp(0, 1) if crisp else clip


def _moving(rng: np.random.Generator, photographs: Photographs, edge: int, frames: int) -> Tensor:
    """(frames, 3, edge, edge) in 0…1: a slow pan, zoom and turn over a photograph, with a drift in exposure."""
    # Rendered at twice the size: resampled as it is, a clip would be softer than a still, and learned to be so.
    source = from_pixels(photographs.crop(rng, 2 * edge, 2 * edge)[None])
    speed = float(rng.choice([0.0, 1.0, 3.0, 8.0])) * rng.uniform(0.3, 1.0)  # pixels a frame
    direction, turn, zoom = rng.uniform(0, 2 * math.pi), rng.normal(0, 0.004), rng.normal(0, 0.006)
    drift = rng.normal(0, 0.006)
    thetas = []
    for index in range(frames):
        time = index - (frames - 1) / 2
        scale, angle = math.exp(zoom * time), turn * time
        step = 2 * speed * time / edge
        cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
        thetas.append([[cosine, -sine, step * math.cos(direction)], [sine, cosine, step * math.sin(direction)]])
    grid = F.affine_grid(torch.tensor(thetas), [frames, 3, 2 * edge, 2 * edge], align_corners=False)
    large = F.grid_sample(source.expand(frames, -1, -1, -1), grid, "bicubic", "reflection", align_corners=False)
    clip = F.avg_pool2d(large, 2)
    gain = 1 + drift * torch.arange(frames).view(-1, 1, 1, 1)
    return (clip * gain).clamp(0, 1)
