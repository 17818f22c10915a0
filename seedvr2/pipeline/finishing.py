"""From decoded frames to results: colours, the share of the plain resize, and the alpha channel beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from seedvr2 import colour
from seedvr2.network.config import VAEConfig
from seedvr2.network.precision import NotFinite, check_finite, numeric_error
from seedvr2.pipeline.region import Region
from seedvr2.pipeline.sizes import Sizes
from seedvr2.pipeline.source_frames import SourceFrames

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How frames are grouped, blended and coloured.

    `strength` is the share of the restored frame in the result, beside the plain resize; `softness` how much softer
    than the source the networks see it. Both 0…1.
    """

    sizes: Sizes
    batch_size: int = 5
    overlap: int = 0
    prepend: int = 0
    uniform: bool = False
    color_correction: str = "lab"
    # Each shot by itself, as if it were a clip of its own: batches, overlaps and what is put before it.
    shots: bool = False
    strength: float = 1.0
    softness: float = 0.0
    # As the public implementation does it, where it differs: hard cuts for overlaps of 1, 2 and 4, two resizes.
    reference: bool = False
    # All that is worked on, as in `SourceFrames`.
    region: Region | None = None


@dataclass(slots=True)
class Slice(Generic[Item]):
    """Frames that are coloured together: `start` counts from the stream's first frame, prepended ones included."""

    start: int
    source: SourceFrames[Item]
    decoded: Tensor  # (n, 3, h, w) in −1…1, before colour correction
    alpha: Tensor | None  # (n, 1, h, w) in 0…1

    @property
    def stop(self) -> int:
        return self.start + len(self.source.items)


def correction_for(method: str, vae: VAEConfig) -> str:
    """What runs where `method` is asked for.

    `lab` is `wavelet` and then a match by rank, which undoes a drift of colours all over the picture. Where colours do
    not drift it would only bring the noise of the source's colours back.
    """
    return "wavelet" if method == "lab" and vae.keeps_colours else method


def finish(part: Slice[Item], settings: StreamSettings, unused: int = 0) -> Iterator[tuple[Item, Tensor]]:
    """Correct the colours of a slice and give out its frames, without the first `unused` ones.

    Yields:
        Each item with its result, (h, w, 3 or 4) float32 in 0…1.
    """
    source, alpha = part.source, part.alpha
    corrected = _corrected(part, settings.color_correction)
    # What was decoded is dropped as soon as the correction has done with it.
    del part
    for index, frame in enumerate(corrected):
        if index >= unused:
            colours, own_alpha = _in_range(frame), None if alpha is None else alpha[index].clamp(0, 1)
            if settings.strength < 1:
                _hold_back(colours, own_alpha, source, index, 1 - settings.strength)
            yield source.items[index], _as_image(colours, own_alpha)


def _corrected(part: Slice[Item], method: str) -> Iterator[Tensor]:
    """The frames (3, h, w) of a slice with their colours corrected, in memory of their own."""
    style = part.source.style
    if method in colour.FRAME_BY_FRAME:
        for index in range(len(part.decoded)):
            yield colour.correct(method, part.decoded[index : index + 1], style[index][None])[0]
        return
    corrected = colour.correct(method, part.decoded, style)
    del part
    for frame in corrected:
        # Not a view, or whoever holds the last frame holds all of them while the next batch is decoded.
        yield frame.clone()


def _in_range(frame: Tensor) -> Tensor:
    """A corrected frame in −1…1, brought to 0…1 in place."""
    try:
        return check_finite(frame).clamp_(-1, 1).mul_(0.5).add_(0.5)
    except NotFinite as error:
        raise numeric_error("colour correction") from error


def _hold_back(frame: Tensor, alpha: Tensor | None, source: SourceFrames[Item], index: int, share: float) -> None:
    """Mix `share` of the plain resize of a frame into its result, both in 0…1, in place.

    One share for all frequencies: fine detail of the two is weighted and not added, so grain that both have stays as it
    is, and at a share of 1 nothing of the restoration is left, its colours included.
    """
    frame.lerp_(source.plain[index], share)
    plain = source.plain_alpha
    if alpha is not None and plain is not None:
        alpha.lerp_(plain[index], share)


def _as_image(frame: Tensor, alpha: Tensor | None) -> Tensor:
    """A frame (3, h, w) and its alpha (1, h, w) as (h, w, 3 or 4)."""
    return (frame if alpha is None else torch.cat((frame, alpha))).permute(1, 2, 0)
