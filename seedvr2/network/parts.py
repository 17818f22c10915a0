"""A clip on its way through the VAE: in parts of a few frames, each layer done with all of a slice before the next.

What is alive is then the frames of one slice between two layers, and not what every layer would have to remember of
the frame before. Activations are (T, C, H, W), channels last in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor


class Follows(IntEnum):
    """What of the clip comes after a part."""

    NOTHING = 0
    PART = 1  # another one of the same slice, a moment later
    SLICE = 2  # the next slice, after all layers have been through with this one


@dataclass(slots=True)
class Part:
    """Some frames of a clip.

    Attributes:
        frames: (T, C, H, W).
        opens: it is the clip's first frame, which is always a part by itself: it is convolved in two dimensions.
    """

    frames: Tensor
    follows: Follows
    opens: bool = False

    def with_frames(self, frames: Tensor) -> Part:
        """The same place in the clip, after a layer."""
        return Part(frames, self.follows, self.opens)


def consumed(parts: Iterable[Part]) -> Iterator[Part]:
    """Each part in turn; a list is emptied, so that what a layer has done with is freed while it goes on."""
    if isinstance(parts, list):
        parts.reverse()
        while parts:
            yield parts.pop()
    else:
        yield from parts


def slice_of(frames: Tensor, lead: int, follows: Follows) -> list[Part]:
    """The parts of a slice whose first `lead` frames open the clip."""
    pieces = torch.split(frames, [lead, len(frames) - lead]) if 0 < lead < len(frames) else (frames,)
    parts = [Part(piece, Follows.PART) for piece in pieces]
    parts[0].opens, parts[-1].follows = lead > 0, follows
    return parts


def split(parts: Iterable[Part], most: int) -> Iterator[Part]:
    """The same frames in parts of at most `most`."""
    for part in consumed(parts):
        for start in range(0, len(part.frames), most):
            last = start + most >= len(part.frames)
            yield Part(part.frames[start : start + most], part.follows if last else Follows.PART, part.opens)


def joined(parts: Iterable[Part]) -> list[Part]:
    """The same frames in one part, but for the clip's first."""
    opening: list[Part] = []
    rest: list[Part] = []
    for part in consumed(parts):
        (opening if part.opens else rest).append(part)
    if len(rest) < 2:
        return opening + rest
    follows = rest[-1].follows
    return [*opening, Part(torch.cat([part.frames for part in rest]), follows)]
