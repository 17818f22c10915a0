"""Where one shot of a video ends and the next one begins.

Frames of two shots are never to be restored together: each would show in the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from seedvr2.media.entry import Entry
from seedvr2.media.info import Pixels
from seedvr2.media.source import Source
from seedvr2.segments.detector import CONTEXT, ShotDetector
from seedvr2.segments.likeness import HEIGHT, WIDTH, small_picture

Item = TypeVar("Item")


def split(items: Iterable[Item], image_of: Callable[[Item], Pixels]) -> Iterator[Iterator[Item]]:
    """The shots of a video, each as its frames, `detector.LOOKAHEAD` of which are read ahead.

    Each shot is to be read to its end before the next one is asked for.

    Args:
        items: the frames in order, in whatever form.
        image_of: the pixels of one, (H, W, 3 or 4) uint8 or uint16.
    """
    judged = _judged(items, image_of)
    first = deque(item for _, item in islice(judged, 1))

    def shot() -> Iterator[Item]:
        yield first.popleft()
        for begins, item in judged:
            if begins:
                first.append(item)
                return
            yield item

    while first:
        yield shot()


def _judged(items: Iterable[Item], image_of: Callable[[Item], Pixels]) -> Iterator[tuple[bool, Item]]:
    detector = ShotDetector()
    waiting: deque[Item] = deque()
    for item in items:
        waiting.append(item)
        verdict = detector.feed(small_picture(image_of(item)))
        if verdict is not None:
            yield verdict, waiting.popleft()
    for verdict in detector.finish():
        yield verdict, waiting.popleft()


@dataclass(frozen=True, slots=True)
class Scan:
    """What is known of a video's shots: of its first `frames` frames, those with which one begins.

    `damaged` and `entries`, as of `Source`, are known when all frames are.
    """

    frames: int = 0
    shots: Sequence[int] = ()
    damaged: bool = False
    entries: tuple[Entry, ...] = ()


def scan(
    source: Source,
    known: Scan = Scan(),
    *,
    every: int = 250,
    on_progress: Callable[[Scan], None] = lambda _scan: None,
) -> Scan:
    """Find the shots of a video in one quick pass, or go on with it.

    Args:
        source: the video. known: what an earlier pass, which was interrupted, knew last.
        on_progress: called with what is known after `every` frames; may raise to stop.

    Returns:
        All of it; `shots` starts with 0.

    Raises:
        MediaError: as `Source.frames`.
    """
    damaged = source.damaged
    begun, shots = known.frames, list(known.shots)
    # The frames before it are looked at again, rather than kept with what is known.
    first = max(begun - CONTEXT, 0)
    detector = ShotDetector(first, begun, shots[-1] if shots else None)

    def note(begins: bool) -> None:
        nonlocal begun
        if begins:
            shots.append(begun)
        begun += 1

    for picture in source.thumbnails(WIDTH, HEIGHT, first):
        if (verdict := detector.feed(picture)) is not None:
            note(verdict)
            if begun % every == 0:
                on_progress(Scan(begun, tuple(shots)))
    for verdict in detector.finish():
        note(verdict)
    if source.damaged and not damaged:
        # Frames that are decoded with that in mind may be others, also in number.
        return scan(source, every=every, on_progress=on_progress)
    return Scan(begun, tuple(shots), source.damaged, source.entries)
