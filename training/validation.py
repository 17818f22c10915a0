"""How much better than a resize: held-out pictures through the networks as the product runs them, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from seedvr2.network.dit import DiT
from seedvr2.pipeline.preprocess import bicubic
from seedvr2.pipeline.sampler import draw_noise, model_input, sample
from training.data import Photographs
from training.decoder import PatchDecoder
from training.degrade import degrade, from_pixels, quantise, shrink
from training.forward import Encoder

EDGE = 176
KINDS = ("x2", "x4", "clean")


@dataclass(frozen=True, slots=True)
class Case:
    """A held-out crop: what the networks see and what they should give, (1, 3, H, W) in −1…1."""

    kind: str
    resized: Tensor
    original: Tensor


def make_cases(folder: Path) -> list[Case]:
    """The same crop of each held-out picture, degraded at x2 and x4, and clean at x2."""
    photographs = Photographs(folder, held_out=True)
    cases = []
    for index in range(len(photographs)):
        picture = photographs.picture(index)
        top, left = (picture.shape[0] - EDGE) // 2, (picture.shape[1] - EDGE) // 2
        original = from_pixels(picture[None, top : top + EDGE, left : left + EDGE].copy())
        for kind, factor in zip(KINDS, (2, 4, 2), strict=True):
            size = (EDGE // factor, EDGE // factor)
            if kind == "clean":
                low = quantise(shrink(original, size, "bicubic"))
            else:
                low = degrade(np.random.default_rng([index, factor]), original, size).clip
            cases.append(Case(kind, bicubic(low, (EDGE, EDGE)).clamp(0, 1) * 2 - 1, original * 2 - 1))
    return cases


@torch.no_grad()
def gains(
    dit: DiT, text: Tensor, encoder: Encoder, decoder: PatchDecoder, cases: list[Case]
) -> dict[str, tuple[float, float]]:
    """By kind of case: mean gain in PSNR over the resize in dB, and the share of pictures that gained."""
    found: dict[str, list[float]] = {}
    for case in cases:
        condition = encoder(case.resized[None], decoder.dtype)[0]
        noise = draw_noise(tuple(condition.shape), 42)

        def velocity(x: Tensor, timestep: float, condition: Tensor = condition) -> Tensor:
            inputs = model_input(x, condition).to(decoder.dtype)
            return cast(Tensor, dit(inputs, text.to(decoder.dtype), timestep).float())

        restored = decoder(sample(velocity, noise)[None])[0]
        gain = _psnr(restored.clamp(-1, 1), case.original) - _psnr(case.resized, case.original)
        found.setdefault(case.kind, []).append(gain)
    return {kind: (float(np.mean(values)), float(np.mean(np.array(values) > 0))) for kind, values in found.items()}


def _psnr(a: Tensor, b: Tensor) -> float:
    return float(10 * torch.log10(4 / (a - b).square().mean()))
