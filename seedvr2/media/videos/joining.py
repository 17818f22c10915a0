"""From coded stretches of a video to the result, without coding anything again."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from seedvr2.errors import MediaError
from seedvr2.media.videos.packet_file import Coded, read_packets, read_stretch
from seedvr2.media.videos.result_file import ResultFile

# Packets from one report to the next.
_OFTEN = 100


def join(
    result: ResultFile,
    files: Sequence[Path],
    frames: Sequence[int],
    report: Callable[[], None] = lambda: None,
    finished: Callable[[Path], None] = lambda _part: None,
) -> None:
    """Bring the packets of all stretches into a result and complete it.

    Args:
        result: as it was opened. files: the stretches in their order. frames: how many each is to have.
        report: called every few frames; may raise. finished: as for `ResultFile.complete`.

    Raises:
        MediaError: the stretches are not what they should be, or do not go into the file. MachineError: a disk refuses.
    """
    headers = result.coder.context.extradata or b""
    delay = 0
    for file, wanted in zip(files, frames, strict=True):
        if read_stretch(file).headers != headers:
            raise MediaError(f"{result.name}: {file.name} was coded in another way than the rest; start it anew.")
        order = [coded.pts for coded in read_packets(file, data=False)]
        if len(order) != wanted:
            raise MediaError(f"{result.name}: {file.name} has {len(order)} frames, not {wanted}; start it anew.")
        delay = max(delay, _delay(order))
    base = read_stretch(files[0]).time_base
    times = _decoding_times(_packets(files, data=False), delay)
    for number, coded in enumerate(_packets(files)):
        if number % _OFTEN == 0:
            report()
        result.mux([coded.packet(base, next(times))])
    result.complete(finished)


def _packets(files: Sequence[Path], *, data: bool = True) -> Iterator[Coded]:
    for file in files:
        yield from read_packets(file, data=data)


def _delay(order: Sequence[int]) -> int:
    """By how many places packets, in the order of decoding, may come later than they are shown."""
    ranks = {pts: rank for rank, pts in enumerate(sorted(order))}
    return max((place - ranks[pts] for place, pts in enumerate(order)), default=0)


def _decoding_times(packets: Iterable[Coded], delay: int) -> Iterator[int]:
    """Times of decoding, strictly increasing, none after that of presentation: those of the frames `delay` before.

    An encoder that begins anew begins its own such times before its first frame, where those of its predecessor end.
    """
    shown = _in_order(packets, delay)
    first = list(islice(shown, delay + 1))
    for time in first[:-1]:
        yield time - (first[-1] - first[0])
    kept: deque[int] = deque(first)
    while kept:
        yield kept.popleft()
        kept.extend(islice(shown, 1))


def _in_order(packets: Iterable[Coded], delay: int) -> Iterator[int]:
    """Times of presentation, ascending; `delay` of them are held."""
    waiting: list[int] = []
    for coded in packets:
        heapq.heappush(waiting, coded.pts)
        if len(waiting) > delay + 1:
            yield heapq.heappop(waiting)
    while waiting:
        yield heapq.heappop(waiting)
