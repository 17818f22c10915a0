"""A part of a shot in one piece: encoded once, restored in windows that lead into each other, decoded once.

What a batch would cut apart, windows over the latents share: each begins with the last latents of the one before, under
the same noise, and a ramp leads from one to the other before anything is decoded. Encoder and decoder pass over the
part once, so neither begins anew within it. Where the part begins or ends within its shot, it takes what lies beyond
along: the neighbour computes the same there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from itertools import islice
from typing import Generic, TypeVar

import torch
from torch import Tensor

from seedvr2.network.slices import Clip
from seedvr2.network.tiling import decoding_tiled, encoding_tiled
from seedvr2.pipeline.alpha import upscale_alpha
from seedvr2.pipeline.blending import crossfade_weights
from seedvr2.pipeline.finishing import Slice, StreamSettings, correction_for, finish
from seedvr2.pipeline.held_frames import HeldFrames, ShotClip, SourceEndedError
from seedvr2.pipeline.latent_windows import Part
from seedvr2.pipeline.restore import BatchRestorer
from seedvr2.pipeline.shot_noise import ShotNoise
from seedvr2.pipeline.source_frames import Image, SourceFrames

Item = TypeVar("Item")

# Where tiles are decoded one after the other, all frames of one pass wait in main memory: so many bytes of them.
_TILED = 2 << 30


@torch.no_grad()
def stitch(
    items: Iterator[Item],
    image_of: Callable[[Item], Image],
    restorer: BatchRestorer,
    settings: StreamSettings,
    part: Part,
    place: int,
) -> Generator[tuple[Item, Tensor], None, None]:
    """Restore a part of a shot.

    Args:
        items: the frames `part.needed`, in order, in whatever form; no further ones are read.
        image_of: the pixels of one, (H, W, 3 or 4) uint8 or uint16; asked for more than once.
        settings: as in `StreamSettings`, but that the grid of the part tells the windows.
        place: of the shot in its video, for the noise.

    Yields:
        Each item of `part.wanted` with its result, (h, w, 3 or 4) float32 in 0…1 on the model's device; nothing more
        where the items end too early.
    """
    settings = replace(settings, color_correction=correction_for(settings.color_correction, restorer.model.vae.config))
    try:
        yield from _Stitching(items, image_of, restorer, settings, part, place).results()
    except SourceEndedError:
        return


class _Stitching(Generic[Item]):
    def __init__(
        self,
        items: Iterator[Item],
        image_of: Callable[[Item], Image],
        restorer: BatchRestorer,
        settings: StreamSettings,
        part: Part,
        place: int,
    ) -> None:
        self._restorer, self._settings, self._part = restorer, settings, part
        self._noise = ShotNoise(restorer.settings.seed, place)
        self._vae, self._device = restorer.model.vae, restorer.model.device
        self._held = HeldFrames(items, part)
        self._image_of = image_of
        # What does not remember its frames need not have all of them in one pass.
        self._remembers = self._vae.config.slices[0] > 0

    def results(self) -> Iterator[tuple[Item, Tensor]]:
        width, height = self._settings.sizes.output
        frames = self._decoded()
        for group in self._part.groups():
            decoded = torch.empty((len(group), 3, height, width), dtype=torch.float32, device=self._device)
            for index in range(len(group)):
                decoded[index] = next(frames)[:, :height, :width]
            source = self._source([self._held[frame] for frame in group])
            alpha = source.alpha
            wider = None if alpha is None else upscale_alpha(alpha, decoded, reference=self._settings.reference)
            coloured = finish(Slice(group.start, source, decoded, wider), self._settings)
            # Not by a name while the next group is decoded.
            del decoded, source, alpha, wider
            yield from coloured
            del coloured
            self._held.drop_before(group.stop)
        next(frames, None)

    def _source(self, items: list[Item]) -> SourceFrames[Item]:
        settings = self._settings
        return SourceFrames(items, self._image_of, self._device, settings.sizes, settings.reference, settings.softness)

    def _latents(self) -> Iterator[Tensor]:
        """The condition latents (h, w, c) of `part.restored`."""
        part, grid = self._part, self._part.grid
        clip = ShotClip(self._held, self._source, self._restorer, self._noise)
        if self._remembers:
            yield from islice(self._encoded(clip), len(part.encoded) - len(part.restored), None)
            return
        begin = part.encoded.start
        for number in part.windows:
            end = grid.span(number, part.latents).stop
            yield from self._encoded(clip.section(begin, end))
            begin = end

    def _encoded(self, clip: Clip) -> Iterator[Tensor]:
        width, height = self._settings.sizes.padded
        restorer, tiling = self._restorer, self._restorer.tiling(height, width)
        on_slice = restorer.counter("encoding", len(clip), height, width)
        with restorer.using_vae("encoding"):
            if tiling:
                yield from encoding_tiled(self._vae, clip, (height, width), self._device, tiling, on_slice)
            else:
                for latents in self._vae.encoding(clip, self._device, on_slice):
                    yield from latents

    def _restored(self, latents: Iterator[Tensor]) -> Iterator[Tensor]:
        """The restored latents (h, w, c) of `part.decoded`, mixed."""
        part, grid = self._part, self._part.grid
        scale = self._restorer.settings.latent_noise_scale
        given: dict[int, Tensor] = {}
        mixed: dict[int, Tensor] = {}
        coming = part.restored.start
        for done, number in enumerate(part.windows):
            span = grid.span(number, part.latents)
            for latent in islice(latents, span.stop - coming):
                given[coming] = latent
                coming += 1
            self._restorer.on_stage("restoring", done / len(part.windows) if self._remembers else 0.0)
            window = torch.stack([given[index] for index in span]).to(self._device)
            noise = self._noise.of_latents(span, tuple(window.shape[1:]))
            second = self._noise.second_of_latents(span, tuple(window.shape[1:])) if scale > 0 else None
            lead_over(mixed, span, self._restorer.one_step(window, noise, second), grid.overlap)
            self._restorer.on_stage("restoring", (done + 1) / len(part.windows) if self._remembers else 1.0)
            # No later window has any of them.
            final = (number + 1) * grid.step if number < part.windows[-1] else part.restored.stop
            for index in [index for index in mixed if index < final]:
                restored = mixed.pop(index)
                if index in part.decoded:
                    yield restored
            for index in [index for index in given if index < final]:
                del given[index]

    def _decoded(self) -> Iterator[Tensor]:
        """The frames (3, H, W) of `part.wanted`, padded."""
        part, grid = self._part, self._part.grid
        latents = self._latents()
        if self._remembers:
            # One after the other: both halves of the VAE at once would remember twice as much. Where they wait there is
            # room for a long part.
            latents = iter([latent.to("cpu") for latent in latents])
            restored = [latent.to(self._vae.dtype).to("cpu") for latent in self._restored(latents)]
            frames = self._passes(restored)
        else:
            frames = self._each_step(self._restored(latents))
        begin = part.wanted.start + grid.prepend - grid.factor * part.decoded.start
        # To the end: what there is to tell of a pass is told then.
        for index, frame in enumerate(frames, -begin):
            if 0 <= index < len(part.wanted):
                yield frame

    def _passes(self, latents: list[Tensor]) -> Iterator[Tensor]:
        """All latents decoded in one pass; in tiles, in as many as there is room for."""
        grid = self._part.grid
        width, height = self._settings.sizes.padded
        most = len(latents)
        if self._restorer.tiling(height, width):
            most = max(_TILED // (12 * width * height * grid.factor), grid.window, 2 * grid.decoder_lead)
        for begin in range(0, len(latents), most):
            lead = min(grid.decoder_lead, begin)
            frames = self._decode(_Listed(latents[begin - lead : begin + most], self._device))
            # The first latent of a pass makes one frame, which the pass before has made already.
            yield from islice(frames, lead * grid.factor + 1 - grid.factor if lead else 0, None)

    def _each_step(self, latents: Iterator[Tensor]) -> Iterator[Tensor]:
        while some := list(islice(latents, self._part.grid.step)):
            yield from self._decode(_Listed(some, self._device))

    def _decode(self, latents: Clip) -> Iterator[Tensor]:
        restorer, factor = self._restorer, self._vae.config.spatial_factor
        width, height = self._settings.sizes.padded
        tiling = restorer.tiling(height, width)
        on_slice = restorer.counter("decoding", len(latents), height, width)
        with restorer.using_vae("decoding") as tell:
            if tiling:
                extent = (height // factor, width // factor)
                yield from decoding_tiled(self._vae, latents, extent, self._device, tiling, on_slice).transpose(0, 1)
            else:
                for frames in self._vae.decoding(latents, self._device, on_slice):
                    # A segment is recorded, with all that is told, when its last frame is given.
                    tell()
                    yield from frames
                    del frames


class _Listed:
    """Latents (h, w, c) as a clip on a device."""

    def __init__(self, latents: list[Tensor], device: torch.device) -> None:
        self._latents, self._device = latents, device

    def __len__(self) -> int:
        return len(self._latents)

    def __getitem__(self, part: slice, /) -> Tensor:
        return torch.stack(self._latents[part]).to(self._device)


def lead_over(mixed: dict[int, Tensor], span: range, restored: Tensor, overlap: int) -> None:
    """Take the latents `span` (t, h, w, c) of a window into those of earlier ones, by number.

    Where there are some already, at the beginning of the window, a raised cosine leads from them to the new ones.
    """
    weights = crossfade_weights(overlap).tolist()
    for place, latent in enumerate(span):
        earlier = mixed.get(latent)
        mixed[latent] = (
            restored[place].clone() if earlier is None else earlier.lerp(restored[place], 1 - weights[place])
        )
