"""Frames in, restored frames out, as a stream: whatever the clip's length, a few batches are in memory.

A batch's frames can still be blended with those of batches that start before it ends, and colours are corrected
over all the frames that a batch added, so a batch is held back until no later one can touch it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from seedvr2.pipeline.alpha import upscale_alpha
from seedvr2.pipeline.batching import Batch, iter_batches, split_at
from seedvr2.pipeline.blending import crossfade_weights, reference_weights
from seedvr2.pipeline.finishing import Slice, StreamSettings, correction_for, finish
from seedvr2.pipeline.restore import BatchRestorer
from seedvr2.pipeline.source_frames import Image, SourceFrames

Item = TypeVar("Item")


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
    pending: deque[Slice[Item]] = deque()
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
            yield from _given(pending.popleft(), settings)
    while pending:
        yield from _given(pending.popleft(), settings)


def _restore_batch(
    batch: Batch[Item], image_of: Callable[[Item], Image], restorer: BatchRestorer, settings: StreamSettings
) -> Slice[Item]:
    source = SourceFrames(
        batch.frames,
        image_of,
        restorer.model.device,
        settings.sizes,
        settings.reference,
        settings.softness,
        settings.region,
    )
    width, height = settings.sizes.output
    # Not by a name here: the restorer is to be the only one who has the clip, and drops it before it decodes.
    decoded = restorer.restore(source.clip(batch.padded, restorer.frame_dtype), batch.index)
    decoded = decoded[:, : len(batch.frames), :height, :width].transpose(0, 1)
    alpha = source.alpha
    return Slice(
        batch.start,
        source,
        decoded,
        None if alpha is None else upscale_alpha(alpha, decoded, reference=settings.reference),
    )


def _blend(pending: deque[Slice[Item]], fresh: Slice[Item], overlap: int, settings: StreamSettings) -> None:
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


def _without_overlap(part: Slice[Item], overlap: int) -> Slice[Item]:
    # Views: they keep the overlap's frames alive, which are fewer than a copy of the others would be.
    alpha = None if part.alpha is None else part.alpha[overlap:]
    return Slice(part.start + overlap, part.source.from_index(overlap), part.decoded[overlap:], alpha)


def _given(part: Slice[Item], settings: StreamSettings) -> Iterator[tuple[Item, Tensor]]:
    """What is given out of a slice: not the prepended frames."""
    return finish(part, settings, max(settings.prepend - part.start, 0))


def to_integer(image: Tensor, bits: int) -> Tensor:
    """(H, W, C) float32 in 0…1 to uint8 or uint16, rounded to the nearest and contiguous, on the same device."""
    maximum = 2**bits - 1
    integers = torch.empty(image.shape, dtype=torch.uint8 if bits == 8 else torch.uint16, device=image.device)
    return integers.copy_((image * maximum).round_().clamp_(0, maximum))
