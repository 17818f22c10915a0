"""Step 5: smaller cards, emulated: two batches at default options end on each, with one retry at the most."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.jobs import Session, random_frames
from benchmarks.gpu.meter import limited, usable_bytes
from benchmarks.gpu.rows import GIB, Row, equal, fact, guarded, measured, not_run
from benchmarks.gpu.scale import Card
from seedvr2.model import release_memory
from seedvr2.options import UpscaleOptions


def rows(bench: Bench) -> Iterator[Row]:
    """Each card with its model."""
    for card in bench.scale.cards:
        title = f"{card.gigabytes:g} GB, {card.params} {card.precision}"
        usable = usable_bytes(bench.device, card.gigabytes)
        if usable > bench.room():
            yield not_run(title, f"this card has less: {bench.room() / GIB:.1f} GiB")
            continue
        yield from guarded(title, on_card(bench, title, card, usable))
        release_memory()


def on_card(bench: Bench, title: str, card: Card, usable: int) -> Iterator[Row]:
    """Two batches of a video on a card that has so many bytes for tensors."""
    options = UpscaleOptions(resolution=bench.scale.resolution)
    frames = random_frames(2 * options.batch_size, bench.scale.source)
    with limited(bench.device, usable):
        outcome = Session(bench, card.params, card.precision).run(frames, options)
    yield fact(f"{title}: plan", outcome.plan)
    yield measured(f"{title}: retries", outcome.retries, most=1)
    yield equal(f"{title}: frames", outcome.frames, len(frames))
    yield equal(f"{title}: undefined values", outcome.undefined, 0)
    yield measured(f"{title}: time a frame", outcome.seconds / outcome.frames, "s")
