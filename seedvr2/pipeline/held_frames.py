"""The source's frames of a part of a shot: read as they are needed, and kept as they were decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from torch import Tensor

from seedvr2.pipeline.latent_windows import Part
from seedvr2.pipeline.restore import BatchRestorer, add_input_noise
from seedvr2.pipeline.shot_noise import ShotNoise
from seedvr2.pipeline.source_frames import SourceFrames

Item = TypeVar("Item")


class SourceEndedError(Exception):
    """There are fewer frames than were counted."""


class HeldFrames(Generic[Item]):
    """Frames by their numbers in the shot."""

    def __init__(self, items: Iterator[Item], part: Part) -> None:
        """`items`: those of `part.needed`, in order."""
        self.part = part
        self._items, self._frames = items, dict[int, Item]()
        self._coming = part.needed.start
        # What is shown behind the shot's last frame is asked for at the end.
        behind = range(max(part.frames + part.grid.prepend, part.clip.start), part.clip.stop)
        self._mirrored = min((part.own(frame) for frame in behind), default=part.frames)

    def __getitem__(self, frame: int) -> Item:
        """A frame. Raises SourceEndedError."""
        while self._coming <= frame:
            try:
                self._frames[self._coming] = next(self._items)
            except StopIteration:
                raise SourceEndedError from None
            self._coming += 1
        return self._frames[frame]

    def drop_before(self, frame: int) -> None:
        """The frames before that one are given out; what is still to be encoded stays."""
        for number in [number for number in self._frames if number < min(frame, self._mirrored)]:
            del self._frames[number]


class ShotClip(Generic[Item]):
    """A part of a shot as the encoder takes it: (T, 3, H, W) in −1…1, padded, made when it is asked for."""

    def __init__(
        self,
        held: HeldFrames[Item],
        source: Callable[[list[Item]], SourceFrames[Item]],
        restorer: BatchRestorer,
        noise: ShotNoise,
        frames: range | None = None,
    ) -> None:
        """`source` makes numbers of frames; `frames`: which ones, all of the part if None."""
        self._held, self._source, self._restorer, self._noise = held, source, restorer, noise
        self._frames = held.part.clip if frames is None else frames

    def section(self, first: int, stop: int) -> ShotClip[Item]:
        """The frames of some latents, where a latent is a frame."""
        return ShotClip(self._held, self._source, self._restorer, self._noise, range(first, stop))

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, part: slice, /) -> Tensor:
        frames = self._frames[part]
        source = self._source([self._held[self._held.part.own(frame)] for frame in frames])
        clip = source.clip(range(len(frames)), self._restorer.frame_dtype).transpose(0, 1)
        scale = self._restorer.settings.input_noise_scale
        if scale > 0:
            noise = self._noise.of_frames(frames, tuple(clip.shape[1:])).to(clip.device)
            clip = add_input_noise(clip, noise, scale)
        return clip
