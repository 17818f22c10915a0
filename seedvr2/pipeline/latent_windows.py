"""Where the transformer's windows lie over the latents of a shot, and what a part of a shot needs of them.

All windows of a shot are on one grid, counted from its first latent, whatever part of it is made when. Latent 0 is the
first frame, latent j the `factor` frames up to frame factor·j. Frames are counted with those that are put before the
shot; both there and behind its last frame they are the shot's own, mirrored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedvr2.options import UpscaleOptions

if TYPE_CHECKING:
    # At run time it would bring torch along, which the arithmetic has no use for.
    from seedvr2.network.reach import Reach

# Latents that two windows share, where a window has room for it.
_SHARED, _ROOM = 2, 4


def grid_for(options: UpscaleOptions, window: int, overlap: int, vae: Reach) -> LatentGrid | None:
    """The grid of a job whose batches have `window` frames, `overlap` shared; None where batches are not stitched.

    There is nothing to stitch where a batch is one latent: each is restored by itself then.
    """
    if options.stitching == "batch" or window_latents(window, vae.factor) < 2:
        return None
    return LatentGrid.of(vae, window, overlap, options.prepend_frames, uniform=options.uniform_batch_size)


def window_latents(batch_size: int, factor: int) -> int:
    """Latents of a window of `batch_size` frames."""
    return (batch_size - 1) // factor + 1


@dataclass(frozen=True, slots=True)
class LatentGrid:
    """The windows of any shot.

    Attributes:
        factor: frames of a latent. window: latents of a window. overlap: of them, those that the next one has too.
        prepend: mirrored frames before the first of a shot.
        uniform: mirrored frames behind the last fill the last window.
        encoder_lead, decoder_lead: latents that a network begins earlier with, 0 where it sees one at a time.
    """

    factor: int
    window: int
    overlap: int
    prepend: int = 0
    uniform: bool = False
    encoder_lead: int = 0
    decoder_lead: int = 0

    @classmethod
    def of(
        cls, vae: Reach, batch_size: int, overlap: int = 0, prepend: int = 0, *, uniform: bool = False
    ) -> LatentGrid:
        """The grid for windows of `batch_size` frames, of which `overlap` at the least are shared."""
        window = window_latents(batch_size, vae.factor)
        least = _SHARED if window >= _ROOM else 1
        shared = min(max(least, -(-overlap // vae.factor)), window - 1)
        return cls(vae.factor, window, shared, prepend, uniform, vae.encoder, vae.decoder)

    @property
    def step(self) -> int:
        """Latents from one window to the next."""
        return self.window - self.overlap

    @property
    def step_frames(self) -> int:
        """Frames from one window to the next."""
        return self.step * self.factor

    @property
    def border_frames(self) -> int:
        """About how many frames are looked at twice where a part begins within a shot."""
        return (self.encoder_lead + self.decoder_lead + self.window) * self.factor

    def opening(self, latent: int) -> int:
        """The first frame of a latent."""
        return self.factor * (latent - 1) + 1 if latent else 0

    def latent(self, frame: int) -> int:
        """The latent that a frame is in."""
        return -(-frame // self.factor)

    def begin(self, number: int) -> int:
        """The frame of the shot, those before it not counted, with which the frames of window `number` begin."""
        return self.opening(number * self.step) - self.prepend

    def origin(self, number: int, length: int, stop: int) -> tuple[int, int]:
        """The frame with which the computation begins of a piece, up to `stop`, of a shot of `length`; the window."""
        return self.part(length, self.begin(number), stop).needed.start, number

    def number(self, frame: float) -> int:
        """The window whose frames begin the nearest to a frame of the shot."""
        return round((frame + self.prepend + self.factor - 1) / self.step_frames)

    def latents(self, frames: int) -> int:
        """Latents of a shot of so many frames, with those that are put around it."""
        count = self.latent(frames + self.prepend - 1) + 1
        if not self.uniform:
            return count
        return self.window + -(-max(count - self.window, 0) // self.step) * self.step

    def windows(self, latents: int) -> int:
        """How many windows a shot of so many latents has."""
        return 1 + -(-max(latents - self.window, 0) // self.step)

    def span(self, number: int, latents: int) -> range:
        """The latents of a window of a shot that has `latents`; the last one may be shorter."""
        return range(number * self.step, min(number * self.step + self.window, latents))

    def part(self, frames: int, start: int, stop: int) -> Part:
        """What has to be done for the frames `start`…`stop` of a shot of `frames`."""
        latents = self.latents(frames)
        first, last = self.latent(start + self.prepend), self.latent(stop - 1 + self.prepend)
        if start == 0:
            first = 0
        decoded = range(max(first - self.decoder_lead, 0), last + 1)
        # The first window in which a latent is, and the last.
        early = max(-(-(decoded.start - self.window + 1) // self.step), 0)
        late = min(last // self.step, self.windows(latents) - 1)
        restored = range(self.span(early, latents).start, self.span(late, latents).stop)
        encoded = range(max(restored.start - self.encoder_lead, 0), restored.stop)
        return Part(self, frames, range(start, stop), range(early, late + 1), encoded, restored, decoded)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a shot: which windows and latents it takes.

    Attributes:
        frames: of the shot. wanted: those that are made, the ones before the shot not counted.
        windows: all that touch what is decoded.
        encoded, restored, decoded: latents; the first ones of `encoded` and of `decoded` are given up.
    """

    grid: LatentGrid
    frames: int
    wanted: range
    windows: range
    encoded: range
    restored: range
    decoded: range

    @property
    def latents(self) -> int:
        """Of the shot."""
        return self.grid.latents(self.frames)

    @property
    def clip(self) -> range:
        """The frames that are encoded; the first one stands alone, as a clip's first does."""
        return range(self.grid.factor * self.encoded.start, self.grid.factor * (self.encoded.stop - 1) + 1)

    @property
    def needed(self) -> range:
        """The frames of the shot that are looked at."""
        own = [self.own(frame) for frame in self.clip]
        return range(min(*own, self.wanted.start), max(*own, self.wanted.stop - 1) + 1)

    def own(self, frame: int) -> int:
        """Which frame of the shot a frame shows: what lies before it or behind it is mirrored."""
        period = max(2 * (self.frames - 1), 1)
        place = (frame - self.grid.prepend) % period
        return min(place, period - place)

    def groups(self) -> Iterator[range]:
        """The wanted frames window by window, as they are coloured together."""
        grid, wanted = self.grid, self.wanted
        number = grid.latent(wanted.start + grid.prepend) // grid.step
        begin = wanted.start
        while begin < wanted.stop:
            number += 1
            end = min(grid.begin(number), wanted.stop)
            if end > begin:
                yield range(begin, end)
                begin = end
