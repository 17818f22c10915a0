"""A clip through the VAE a slice of a few frames at a time, wherever its frames come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from seedvr2.network.parts import Follows, Part, slice_of
from seedvr2.network.precision import check_finite

OnSlice = Callable[[int], None]


class Clip(Protocol):
    """Frames or latents of a clip, the first axis being time; a tensor is one, and so is what makes them when asked."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Scaled:
    """Latents (T, H', W', c) as the decoder takes them: (T, c, H', W')."""

    latents: Clip
    scale: float

    def __len__(self) -> int:
        return len(self.latents)

    def __getitem__(self, part: slice, /) -> Tensor:
        return (self.latents[part] / self.scale).permute(0, 3, 1, 2)


def in_slices(
    network: Callable[[Iterable[Part]], Iterator[Part]],
    x: Clip,
    dtype: torch.dtype,
    lead: int,
    step: int,
    on_slice: OnSlice | None,
) -> Iterator[Tensor]:
    """(T, C, H, W) in, some (t, C', H', W') after others out. Raises NotFinite at the first that hold no numbers."""
    start, stop, count = 0, lead + step, len(x)
    while start < count:
        given = x[start:stop].to(dtype).contiguous(memory_format=torch.channels_last)
        parts = slice_of(given, lead if start == 0 else 0, Follows.SLICE if stop < count else Follows.NOTHING)
        del given
        for part in network(parts):
            yield check_finite(part.frames)
            del part
        if on_slice is not None:
            on_slice(min(stop, count))
        start, stop = stop, stop + step


def filled(pieces: Iterator[Tensor], count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The pieces in one tensor of `count` frames."""
    result, done = torch.empty(0), 0
    for frames in pieces:
        if not done:
            shape = (count, *frames.shape[1:])
            result = torch.empty(shape, dtype=dtype, device=device, memory_format=torch.channels_last)
        result[done : done + len(frames)] = frames
        done += len(frames)
        del frames
    # Or there would be frames of whatever was in memory before.
    assert done == count, (done, count)
    return result
