"""The noise of a shot: drawn latent by latent, so that whatever part of the shot is made sees the same."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import torch
from torch import Tensor

from seedvr2.pipeline.sampler import draw_noise


class ShotNoise:
    """Standard normal noise (float32, in main memory) by the numbers of latents and frames of a shot."""

    def __init__(self, seed: int, place: int) -> None:
        """`place`: of the shot in its video, so that shots do not look through the same pattern."""
        self._seed, self._place = seed, place

    def of_latents(self, numbers: Iterable[int], shape: tuple[int, ...]) -> Tensor:
        """What the transformer begins with: (latents, *shape)."""
        return self._drawn("latent", numbers, shape)

    def second_of_latents(self, numbers: Iterable[int], shape: tuple[int, ...]) -> Tensor:
        """What `latent_noise_scale` mixes in beside it."""
        return self._drawn("second", numbers, shape)

    def of_frames(self, numbers: Iterable[int], shape: tuple[int, ...]) -> Tensor:
        """What `input_noise_scale` adds to frames."""
        return self._drawn("frame", numbers, shape)

    def _drawn(self, kind: str, numbers: Iterable[int], shape: tuple[int, ...]) -> Tensor:
        return torch.stack([draw_noise(shape, self._key(kind, number)) for number in numbers])

    def _key(self, kind: str, number: int) -> int:
        text = f"{kind} {self._seed} {self._place} {number}"
        return int.from_bytes(blake2b(text.encode("ascii"), digest_size=8).digest(), "little")
