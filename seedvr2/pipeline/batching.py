"""Frames to batches, as a stream (spec: engine.md, section 4.1).

A batch starts `batch_size − overlap` frames after the one before it. The VAE takes f·n + 1 frames, so a batch is
padded with its own frames, mirrored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Batch(Generic[Item]):
    """Frames that are restored together.

    `start` counts from the first frame of the stream, prepended ones included. The first `overlap` frames are also
    the last ones of the batch before, the last `next_overlap` ones the first of the batch after. `padded` are the
    indices into `frames` that the networks see.
    """

    index: int
    start: int
    frames: tuple[Item, ...]
    overlap: int
    next_overlap: int
    padded: tuple[int, ...]


def iter_batches(
    items: Iterable[Item],
    batch_size: int,
    overlap: int = 0,
    prepend: int = 0,
    *,
    uniform: bool = False,
    factor: int = 4,
    begun: int = 0,
) -> Iterator[Batch[Item]]:
    """Group a stream of unknown length; one batch and one frame are held, or the prepended frames.

    Args:
        items: the frames, in order.
        batch_size: frames per batch.
        overlap: frames that neighbours share; one that leaves no progress counts as 0.
        prepend: mirrored frames to put before the first.
        uniform: pad every batch to `batch_size` before anything else.
        factor: frames per latent frame.
        begun: batches before the items, with the last of which the first one shares frames.
    """
    overlap = effective_overlap(batch_size, overlap)
    stream = _with_mirrored_front(iter(items), prepend)
    frames = list(islice(stream, batch_size))
    index, start, shared = begun, 0, overlap if begun else 0
    while frames:
        # One frame ahead tells whether another batch follows.
        ahead = list(islice(stream, 1))
        yield Batch(
            index=index,
            start=start,
            frames=tuple(frames),
            overlap=shared,
            next_overlap=overlap if ahead else 0,
            padded=pad_indices(len(frames), batch_size if uniform else len(frames), factor),
        )
        if not ahead:
            return
        start += len(frames) - overlap
        frames = frames[len(frames) - overlap :] + ahead
        frames.extend(islice(stream, batch_size - len(frames)))
        index, shared = index + 1, overlap


def split_at(items: Iterable[Item], shots: Sequence[int]) -> Iterator[Iterator[Item]]:
    """The shots of a stream, where it is known which items after the first begin one; each is to be read to its end."""
    rest = iter(items)
    for begin, end in pairwise((0, *shots)):
        yield islice(rest, end - begin)
    yield rest


def effective_overlap(batch_size: int, overlap: int) -> int:
    """The overlap that is used: none where it would leave no progress."""
    return overlap if overlap < batch_size else 0


def count_batches(frames: int, batch_size: int, overlap: int = 0, prepend: int = 0) -> int:
    """How many batches a clip makes."""
    overlap = effective_overlap(batch_size, overlap)
    total = frames + prepend
    return 1 + max(-(-(total - batch_size) // (batch_size - overlap)), 0)


def pad_indices(count: int, least: int, factor: int) -> tuple[int, ...]:
    """Indices of a batch of `count` frames padded to at least `least` and then to factor·n + 1 frames."""
    indices = list(range(count))
    for target in (least, -(-(max(count, least) - 1) // factor) * factor + 1):
        indices += _mirror_back(indices, target - len(indices))
    return tuple(indices)


def _mirror_back(indices: list[int], missing: int) -> list[int]:
    """Frames to append: those before the last, backwards. Where there are not enough, all but the first backwards,
    and then the last one again."""
    if missing <= len(indices) - 1:
        return indices[-2::-1][: max(missing, 0)]
    mirrored = indices[:0:-1]
    return mirrored + [indices[-1]] * (missing - len(mirrored))


def _with_mirrored_front(stream: Iterator[Item], prepend: int) -> Iterator[Item]:
    """The stream with frames 1…prepend, backwards, in front; the last one again where the clip is too short."""
    head = list(islice(stream, prepend + 1)) if prepend else []
    yield from head[-1:] * (prepend - len(head) + 1)
    yield from head[:0:-1]
    # Let go of one by one: the stream may go on for hours.
    head.reverse()
    while head:
        yield head.pop()
    yield from stream
