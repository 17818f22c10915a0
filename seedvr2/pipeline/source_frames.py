"""The source's frames of one batch, as numbers only where they are looked at, and a frame at a time.

What is kept is what was decoded: one byte or two a channel. As floating-point numbers at the size of the result, the
same frames would take many times as much, beside the decoder, which needs the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from seedvr2.colour.frames import Frames
from seedvr2.pipeline.preprocess import bicubic, normalise, pad_to, resize, resize_in_two_steps, resize_part, softened
from seedvr2.pipeline.region import Region
from seedvr2.pipeline.sizes import Sizes

Image = np.ndarray
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class SourceFrames(Generic[Item]):
    """Frames by number, on `device`; each is made anew whenever it is asked for.

    Attributes:
        items: the frames, in whatever form. image_of: the pixels of one, (H, W, 3 or 4) uint8 or uint16.
        sizes: what they are resized to. reference: by way of the first size, as the public implementation does.
        softness: how much softer than the source the networks see them, 0…1.
        region: the part of the resized frames that is all there is of them; their `padded` and `output` are its sizes.
    """

    items: Sequence[Item]
    image_of: Callable[[Item], Image]
    device: torch.device
    sizes: Sizes
    reference: bool = False
    softness: float = 0.0
    region: Region | None = None

    def clip(self, order: Sequence[int], dtype: torch.dtype) -> Tensor:
        """What the networks see: (3, T, H, W) in −1…1, the frames `order`, padded."""
        width, height = self.sizes.padded
        # Channels last in memory, as the VAE wants it.
        frames = torch.empty((len(order), height, width, 3), dtype=dtype, device=self.device).permute(0, 3, 1, 2)
        for index in range(len(self.items)):
            frame = normalise(pad_to(self._resized(index, self.softness), self.sizes.padded))[0]
            for place in (place for place, wanted in enumerate(order) if wanted == index):
                frames[place] = frame
        return frames.transpose(0, 1)

    @property
    def style(self) -> Frames:
        """What colours are corrected by: (T, 3, h, w) in −1…1 at the size of the result."""
        plain = self.plain
        return _Made(plain.shape, lambda index: normalise(plain[index]))

    @property
    def plain(self) -> Frames:
        """The frames without any restoration: (T, 3, h, w) in 0…1 at the size of the result."""
        width, height = self.sizes.output

        def frame(index: int) -> Tensor:
            return self._resized(index)[0, :, :height, :width]

        return _Made((len(self.items), 3, height, width), frame)

    @property
    def alpha(self) -> Frames | None:
        """The alpha channel (T, 1, H, W) in 0…1 at the source's size, where there is one; of a region, at its own."""
        height, width, channels = self.image_of(self.items[0]).shape
        if self.region is not None:
            width, height = self.region.size

        def frame(index: int) -> Tensor:
            alpha = to_float(self.image_of(self.items[index])[..., 3:], self.device)
            if self.region is not None:
                return resize_part(alpha[None], self.sizes, self.region)[0]
            return alpha.permute(2, 0, 1)

        return _Made((len(self.items), 1, height, width), frame) if channels == 4 else None

    @property
    def plain_alpha(self) -> Frames | None:
        """The same (T, 1, h, w), resized like the colours."""
        alpha, (width, height) = self.alpha, self.sizes.output
        if alpha is None or self.region is not None:
            return alpha

        def frame(index: int) -> Tensor:
            return bicubic(alpha[index][None], self.sizes.resized)[0, :, :height, :width].clamp(0, 1)

        return _Made((alpha.shape[0], 1, height, width), frame)

    def from_index(self, first: int) -> SourceFrames[Item]:
        """The same without the frames before `first`."""
        return replace(self, items=self.items[first:])

    def _resized(self, index: int, softness: float = 0.0) -> Tensor:
        image = to_float(self.image_of(self.items[index])[..., :3], self.device)[None]
        frame = softened(image, self.sizes, softness)
        if self.region is not None:
            return resize_part(frame, self.sizes, self.region)
        return (resize_in_two_steps if self.reference else resize)(frame, self.sizes)


@dataclass(frozen=True, slots=True)
class _Made:
    """`Frames` that are made when they are asked for."""

    shape: tuple[int, ...]
    make: Callable[[int], Tensor]

    def __getitem__(self, index: int, /) -> Tensor:
        return self.make(index)


def to_float(image: Image, device: torch.device) -> Tensor:
    """(H, W, C) uint8 or uint16 to float32 in 0…1 on `device`."""
    maximum = np.iinfo(image.dtype).max
    return torch.from_numpy(np.ascontiguousarray(image)).to(device, non_blocking=True).float().div_(maximum)
