"""Frames in, restored frames out, as a stream: whatever the clip's length, a few batches are in memory.

A batch's frames can still be blended with those of batches that start before it ends, and colours are corrected
over all the frames that a batch added, so a batch is held back until no later one can touch it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from seedvr2 import colour
from seedvr2.network.config import VAEConfig
from seedvr2.network.precision import NotFinite, check_finite, numeric_error
from seedvr2.pipeline.alpha import upscale_alpha
from seedvr2.pipeline.batching import Batch, iter_batches, split_at
from seedvr2.pipeline.blending import crossfade_weights, reference_weights
from seedvr2.pipeline.restore import BatchRestorer
from seedvr2.pipeline.sizes import Sizes
from seedvr2.pipeline.source_frames import Image, SourceFrames

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


@dataclass(slots=True)
class _Slice(Generic[Item]):
    """The frames that one batch added: `start` counts from the stream's first frame, prepended ones included."""

    start: int
    source: SourceFrames[Item]
    decoded: Tensor  # (n, 3, h, w) in −1…1, before colour correction
    alpha: Tensor | None  # (n, 1, h, w) in 0…1

    @property
    def stop(self) -> int:
        return self.start + len(self.source.items)


def restore_stream(
    items: Iterable[Item],
    image_of: Callable[[Item], Image],
    restorer: BatchRestorer,
    settings: StreamSettings,
    *,
    shots: Sequence[int] | None = None,
    batch: int = 0,
) -> Generator[tuple[Item, Tensor], None, None]:
    """Restore a clip.

    Args:
        items: the source's frames in order, in whatever form; read one batch ahead at most, and a few frames more
            where shots are told apart.
        image_of: the pixels of one, (H, W, 3 or 4) uint8 or uint16; asked for more than once.
        restorer: the model at work.
        settings: as in `StreamSettings`.
        shots: the items with which shots begin, after the first item, where that is known already.
        batch: where the items begin within a shot: which of its batches begins there. The frames that this one shares
            with the one before are not among those that are given.

    Yields:
        Each item with its result, (h, w, 3 or 4) float32 in 0…1 on the model's device.
    """
    vae = restorer.model.vae.config
    settings = replace(settings, color_correction=correction_for(settings.color_correction, vae))
    parts: Iterable[Iterable[Item]] = (items,)
    if shots is not None:
        parts = split_at(items, shots)
    elif settings.shots:
        # Late: it brings the decoders along, which a check of a GPU does without.
        from seedvr2.segments.shots import split

        parts = split(items, image_of)
    for part in parts:
        yield from _restore_shot(part, image_of, restorer, settings, batch)
        batch = 0


def _restore_shot(
    items: Iterable[Item],
    image_of: Callable[[Item], Image],
    restorer: BatchRestorer,
    settings: StreamSettings,
    begun: int,
) -> Iterator[tuple[Item, Tensor]]:
    """`begun`: batches of the shot that lie before the items."""
    if begun:
        settings = replace(settings, prepend=0)
    pending: deque[_Slice[Item]] = deque()
    batches = iter_batches(
        items,
        settings.batch_size,
        settings.overlap,
        settings.prepend,
        uniform=settings.uniform,
        factor=restorer.model.vae.config.temporal_factor,
        begun=begun,
    )
    for batch in batches:
        fresh = _restore_batch(batch, image_of, restorer, settings)
        if batch.index > begun:
            _blend(pending, fresh, batch.overlap, settings)
        pending.append(_without_overlap(fresh, batch.overlap))
        # Nothing of it is to be alive beside the next batch but what is held back.
        del fresh
        # The next batch starts `overlap` frames before this one ends, and reaches back no further.
        final = batch.start + len(batch.frames) - batch.next_overlap
        while pending and pending[0].stop <= final:
            yield from _finish(pending.popleft(), settings)
    while pending:
        yield from _finish(pending.popleft(), settings)


def correction_for(method: str, vae: VAEConfig) -> str:
    """What runs where `method` is asked for.

    `lab` is `wavelet` and then a match by rank, which undoes a drift of colours all over the picture. Where colours do
    not drift it would only bring the noise of the source's colours back.
    """
    return "wavelet" if method == "lab" and vae.keeps_colours else method


def _restore_batch(
    batch: Batch[Item], image_of: Callable[[Item], Image], restorer: BatchRestorer, settings: StreamSettings
) -> _Slice[Item]:
    source = SourceFrames(
        batch.frames, image_of, restorer.model.device, settings.sizes, settings.reference, settings.softness
    )
    width, height = settings.sizes.output
    # Not by a name here: the restorer is to be the only one who has the clip, and drops it before it decodes.
    decoded = restorer.restore(source.clip(batch.padded, restorer.frame_dtype), batch.index)
    decoded = decoded[:, : len(batch.frames), :height, :width].transpose(0, 1)
    alpha = source.alpha
    return _Slice(
        batch.start,
        source,
        decoded,
        None if alpha is None else upscale_alpha(alpha, decoded, reference=settings.reference),
    )


def _blend(pending: deque[_Slice[Item]], fresh: _Slice[Item], overlap: int, settings: StreamSettings) -> None:
    """Cross-fade the first `overlap` frames of the new batch into the frames that are held back."""
    if not overlap:
        return
    weights = (reference_weights if settings.reference else crossfade_weights)(overlap)
    for index, weight in enumerate(weights.tolist()):
        position = fresh.start + index
        held = next((part for part in pending if part.start <= position < part.stop), None)
        if held is None:
            # Where the work began within a shot, the frames before are left out.
            continue
        held.decoded[position - held.start].lerp_(fresh.decoded[index], 1 - weight)
        if held.alpha is not None and fresh.alpha is not None:
            held.alpha[position - held.start].lerp_(fresh.alpha[index], 1 - weight)


def _without_overlap(part: _Slice[Item], overlap: int) -> _Slice[Item]:
    # Views: they keep the overlap's frames alive, which are fewer than a copy of the others would be.
    alpha = None if part.alpha is None else part.alpha[overlap:]
    return _Slice(part.start + overlap, part.source.from_index(overlap), part.decoded[overlap:], alpha)


def _finish(part: _Slice[Item], settings: StreamSettings) -> Iterator[tuple[Item, Tensor]]:
    """Correct the colours of a slice and give out its frames, without the prepended ones."""
    start, source, alpha = part.start, part.source, part.alpha
    corrected = _corrected(part, settings.color_correction)
    # What was decoded is dropped as soon as the correction has done with it.
    del part
    for index, frame in enumerate(corrected):
        if start + index >= settings.prepend:
            colours, own_alpha = _in_range(frame), None if alpha is None else alpha[index].clamp(0, 1)
            if settings.strength < 1:
                _hold_back(colours, own_alpha, source, index, 1 - settings.strength)
            yield source.items[index], _as_image(colours, own_alpha)


def _corrected(part: _Slice[Item], method: str) -> Iterator[Tensor]:
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


def to_integer(image: Tensor, bits: int) -> Tensor:
    """(H, W, C) float32 in 0…1 to uint8 or uint16, rounded to the nearest and contiguous, on the same device."""
    maximum = 2**bits - 1
    integers = torch.empty(image.shape, dtype=torch.uint8 if bits == 8 else torch.uint16, device=image.device)
    return integers.copy_((image * maximum).round_().clamp_(0, maximum))
